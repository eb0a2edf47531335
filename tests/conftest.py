"""Real music for the tests: one book of the corpus inside music21, prepared once a session."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

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
    from workflow.scripts import prepare

    folder = tmp_path_factory.mktemp("corpus")
    args = argparse.Namespace(
        input_path=str(book),
        output_dir=str(folder),
        val_fraction=0.1,
        test_fraction=0.05,
        max_chars=100_000,
        min_notes=8,
    )
    prepare.prepare(args)
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


@pytest.fixture(scope="session")
def trained(corpus_dir, tmp_path_factory) -> dict[str, Path]:
    """A small trained model of each architecture, by its name."""
    folders = {}
    for arch, width in (("gpt", 32), ("lstm", 40)):
        folder = tmp_path_factory.mktemp(arch)
        done = command("train", "--arch", arch, "--model_name", f"{arch}_test", "--n_layer", 2, "--n_embd", width,
                       "--n_head", 2, "--context_size", 32, "--max_iters", 120, "--batch_size", 8,
                       "--learning_rate", 0.01, "--data_dir", corpus_dir, "--output_dir", folder,
                       "--threads", 1)  # fmt: skip
        assert done.returncode == 0, done.stderr
        folders[arch] = folder
    return folders
