"""Real music for the tests: one book of the corpus inside music21, prepared once a session. And how commands start."""

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import numpy as np
import pytest

from tests import forked, small_study

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
# Files that are begun first, so that no worker is left alone with a long one at the end: by the time they take, but for
# the first four. While one worker compiles what prepares and trains, in the first, the other does what needs none of
# that, so that nothing is compiled twice and `test_workflow` finds compiled what its jobs run. It sets up a study, for
# which `test_workflow_over_time` would wait.
FIRST = (
    "test_collect_writing", "test_mup", "test_batched_bfgs", "test_fit_scaling", "test_workflow", "test_resume",
    "test_build_fails", "test_ladder", "test_workflow_over_time", "test_build_kept", "test_build_resumes",
    "test_clean", "test_train", "test_build", "test_prepare", "test_build_of_any_input",
    "test_leakage", "test_losses", "test_perplexity", "test_commands",
)  # fmt: skip


def pytest_configure(config):
    """What one process does for all: it starts the servers of `tests.forked`, which the workers of xdist use."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background is started without
    # As it is where nobody has said otherwise: hundreds of processes load our modules.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):
        from workflow.scripts.base.code_identity import drop_stale_kernels

        drop_stale_kernels()
        stack = contextlib.ExitStack()
        stack.enter_context(forked.servers())
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Two test runs on one core are ten times slower with more threads than cores."""
    import torch  # not by the process that only gives the workers their tests

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def book() -> Path:
    """200 Scottish airs as ABC."""
    return Path(importlib.util.find_spec("music21").origin).parent / "corpus" / "airdsAirs" / "book1.abc"


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Gives a folder that one of the test processes makes and all of them read."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of this run, where each worker has a folder

    def folder_of(name: str, make: Callable[[Path], object]) -> Path:
        folder = base / name
        with open(base / f"{name}.made", "a+") as made:
            fcntl.flock(made, fcntl.LOCK_EX)
            made.seek(0)
            if not made.read():
                shutil.rmtree(folder, ignore_errors=True)  # left by one that failed
                folder.mkdir()
                make(folder)
                made.write("made")
        return folder

    return folder_of


@pytest.fixture(scope="session")
def corpus_dir(book, once) -> Path:
    from workflow.scripts.corpus.build import build
    from workflow.scripts.corpus.options import Options, Source

    options = Options(val_fraction=0.1, test_fraction=0.05)
    return once("corpus", lambda folder: build([Source("", str(book))], folder, options, workers=1))


@pytest.fixture(scope="session")
def study(book, once, tmp_path_factory) -> small_study.Study:
    """A finished study in a copy of the repository's tracked files: each process's own, made by one of them."""
    made = once("study", lambda folder: small_study.finished(book, folder / "repo with a space"))
    folder = tmp_path_factory.mktemp("copy") / "repo with a space"
    return small_study.copy_of(small_study.Study(made / folder.name), folder)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the folder shared/ beside the repository, which is not published with it")
    return SHARED


def words(module: str, args: tuple) -> list[str]:
    return ["-m", f"workflow.scripts.{module}", *map(str, args)]


def environment(added: dict[str, str] | None) -> dict[str, str]:
    """What our commands run in, wherever they run."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(added or {})}


def command(module: str, *args: object, cwd: Path = ROOT, env: dict | None = None, **options) -> CompletedProcess:
    """Run one of our commands as a user would, but for the time that torch takes to load; ``env`` is added."""
    return forked.run(*words(module, args), cwd=cwd, env=environment(env), **options)


def start(module: str, *args: object, cwd: Path = ROOT, env: dict | None = None, **options) -> Popen:
    """The same, still running; the other options are Popen's."""
    return forked.Python(words(module, args), cwd=cwd, env=environment(env), **options)


def on_a_full_disk(code: str, limit: int) -> CompletedProcess:
    """Run an expression of ours where no file may grow past ``limit`` bytes, as the nearest to a full disk."""
    script = (
        "import resource, signal; from workflow.scripts import train; from workflow.scripts.base import cli, files;"
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        f"cli.run(lambda: {code})"
    )
    return forked.run("-c", script, cwd=ROOT)


def train_both(data_dir: Path, folder: Path, iters: int) -> None:
    """A small trained model of each architecture, in a folder of its name."""
    for arch, width in (("gpt", 32), ("lstm", 40)):
        done = command("train", "--arch", arch, "--model_name", f"{arch}_test", "--n_layer", 2, "--n_embd", width,
                       "--n_head", 2, "--context_size", 32, "--max_iters", iters, "--batch_size", 8,
                       "--learning_rate", 0.01, "--precision", "float32", "--data_dir", data_dir,
                       "--output_dir", folder / arch, "--threads", 1)  # fmt: skip
        assert done.returncode == 0, done.stderr


def by_name(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="session")
def trained(corpus_dir, once) -> dict[str, Path]:
    return by_name(once("trained", lambda folder: train_both(corpus_dir, folder, iters=120)))


def in_byte_pairs(corpus_dir: Path, folder: Path) -> None:
    """The same tunes in byte pairs, more than 256 tokens, written without `prepare`."""
    from workflow.scripts.corpus.dataset import SPLITS, Corpus
    from workflow.scripts.corpus.tokenizer import BpeTokenizer

    source = Corpus.load(corpus_dir)
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


@pytest.fixture(scope="session")
def bpe_corpus_dir(corpus_dir, once) -> Path:
    return once("bpe_corpus", lambda folder: in_byte_pairs(corpus_dir, folder))


@pytest.fixture(scope="session")
def trained_bpe(bpe_corpus_dir, once) -> dict[str, Path]:
    return by_name(once("trained_bpe", lambda folder: train_both(bpe_corpus_dir, folder, iters=100)))


@pytest.fixture(params=["char", "bpe"])
def either(request) -> tuple[Path, dict[str, Path]]:
    """(corpus folder, trained models by architecture) of either kind of tokenizer."""
    names = {"char": ("corpus_dir", "trained"), "bpe": ("bpe_corpus_dir", "trained_bpe")}[request.param]
    return tuple(map(request.getfixturevalue, names))
