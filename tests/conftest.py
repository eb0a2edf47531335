"""Real music for the tests: one book of the corpus inside music21, prepared once a session."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two test runs on one core are ten times slower with more threads than cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def book() -> Path:
    """200 Scottish airs as ABC."""
    from music21 import corpus

    return Path(corpus.__file__).parent / "airdsAirs" / "book1.abc"


@pytest.fixture(scope="session")
def corpus_dir(book, tmp_path_factory) -> Path:
    from workflow.scripts.build_corpus import Options, build
    from workflow.scripts.selection import Source

    folder = tmp_path_factory.mktemp("corpus")
    build([Source("", str(book))], folder, Options(val_fraction=0.1, test_fraction=0.05), workers=1)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the folder shared/ beside the repository, which is not published with it")
    return SHARED


def command(module: str, *args: object, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess:
    """Run one of our commands as a user would."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", f"workflow.scripts.{module}", *map(str, args)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, **options)


def on_a_full_disk(code: str, limit: int) -> subprocess.CompletedProcess:
    """Run an expression of ours where no file may grow past ``limit`` bytes, as the nearest to a full disk."""
    script = (
        "import resource, signal; from workflow.scripts import cli, files, train;"
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"cli.run(lambda: {code})"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)


def train_both(data_dir: Path, tmp_path_factory, iters: int) -> dict[str, Path]:
    """A small trained model of each architecture, by its name."""
    folders = {}
    for arch, width in (("gpt", 32), ("lstm", 40)):
        folder = tmp_path_factory.mktemp(arch)
        done = command("train", "--arch", arch, "--model_name", f"{arch}_test", "--n_layer", 2, "--n_embd", width,
                       "--n_head", 2, "--context_size", 32, "--max_iters", iters, "--batch_size", 8,
                       "--learning_rate", 0.01, "--precision", "float32", "--data_dir", data_dir,
                       "--output_dir", folder, "--threads", 1)  # fmt: skip
        assert done.returncode == 0, done.stderr
        folders[arch] = folder
    return folders


@pytest.fixture(scope="session")
def trained(corpus_dir, tmp_path_factory) -> dict[str, Path]:
    return train_both(corpus_dir, tmp_path_factory, iters=120)


@pytest.fixture(scope="session")
def bpe_corpus_dir(corpus_dir, tmp_path_factory) -> Path:
    """The same tunes in byte pairs, more than 256 tokens, written without `prepare`."""
    from workflow.scripts.corpus import SPLITS, Corpus
    from workflow.scripts.tokenizer import BpeTokenizer

    source, folder = Corpus.load(corpus_dir), tmp_path_factory.mktemp("bpe_corpus")
    texts = {}
    for name in SPLITS:
        split = source.split(name)
        texts[name] = [source.tokenizer.decode(split.tune(i)) for i in range(split.n_tunes)]
    tokenizer = BpeTokenizer.train(texts["train"], 400, source.tokenizer.chars)
    tokenizer.save(folder / "tokenizer.json")
    sizes = {}
    for name in SPLITS:
        tokens, lengths = tokenizer.encode_tunes(texts[name])
        sizes[name] = source.info["splits"][name] | {"tokens": len(tokens)}
        tokens.tofile(folder / f"{name}.bin")
        np.cumsum([0, *lengths]).astype(np.uint64).tofile(folder / f"{name}.idx")
    info = source.info | {
        "splits": sizes,
        "vocab_size": tokenizer.vocab_size,
        "content_sha256": f"bpe of {source.content_sha256}",
    }
    (folder / "corpus.json").write_text(json.dumps(info))
    return folder


@pytest.fixture(scope="session")
def trained_bpe(bpe_corpus_dir, tmp_path_factory) -> dict[str, Path]:
    return train_both(bpe_corpus_dir, tmp_path_factory, iters=100)


@pytest.fixture(params=["char", "bpe"])
def either(request) -> tuple[Path, dict[str, Path]]:
    """(corpus folder, trained models by architecture) of either kind of tokenizer."""
    names = {"char": ("corpus_dir", "trained"), "bpe": ("bpe_corpus_dir", "trained_bpe")}[request.param]
    return tuple(map(request.getfixturevalue, names))
