"""Is a study that was cut off in every way the one that it would have been? Run by hand, some minutes on a core:

  python -m tests.carrying.check

Packs a small study, and runs it where packages are lacking: killed without a word in the middle of a training, stopped
by its seconds, stopped by SIGTERM, and on a machine that has nothing but what came back from the first. Then the same
is trained here, undisturbed, and what came back must be that: byte for byte, but for times and memory.
"""

import argparse
import csv
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.carrying.test_there_and_back import LACKING, NAMES
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.options import Options, Source

ROOT = Path(__file__).parents[2]
STUDY = """
pathvars: {{ results: results/mine }}
corpus: {book}
corpus_name: book
val_fraction: 0.1
min_test_chars: 0
suite: [gpt_medium, lstm_medium]
tokens: [65536, {tokens}]
seeds: [0]
num_samples: 2
samples_per_prompt: 1
max_new_tokens: 64
eval_tokens: 2048
checkpoint_seconds: 1
lr_transfer_models: []
"""
TIMES = ("train_seconds", "trunk_seconds", "peak_memory_mb")
FIRST, LAST = "lstm_medium", "gpt_medium"  # in the order of their FLOP


def require(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


class Machine:
    """One without some packages, in a folder."""

    def __init__(self, folder: Path, pack: Path):
        self.folder, self.pack = folder, pack
        (folder / "lacking").mkdir(parents=True)
        (folder / "lacking" / "sitecustomize.py").write_text(LACKING.format(names=NAMES))

    def start(self, *args: str) -> subprocess.Popen:
        line = ["-m", "workflow.scripts.carry", "run", str(self.pack), "--work", "work", "--output", "out", *args]
        env = os.environ | {"PYTHONPATH": f"{self.folder}/lacking:{ROOT}"}
        return subprocess.Popen([sys.executable, *line], cwd=self.folder, env=env, start_new_session=True)

    def run(self, *args: str) -> int:
        return self.start(*args).wait()

    def log(self, model: str) -> str:
        path = self.folder / f"work/results/mine/logs/carried/models-{model}-seed0-train.log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, model: str, pattern: str) -> None:
        end = time.monotonic() + 300
        while not re.search(pattern, self.log(model)):
            if time.monotonic() > end:
                require(False, f"{model} says {pattern}")
            time.sleep(0.05)

    @property
    def back(self) -> Path:
        return self.folder / "out" / "came_back.tar.xz"


def plain(name: str, data: bytes) -> object:
    """A file of a run without what differs from one machine to the next."""
    if name.endswith("config.json"):
        config = json.loads(data)
        return config | {"training": {key: x for key, x in config["training"].items() if key not in TIMES}}
    if name.endswith("history.csv"):
        return [row[:-1] for row in csv.reader(io.StringIO(data.decode()))]  # the last are seconds
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1048576, help="of the longest run: less for a slow machine")
    args = parser.parse_args()
    book = Path(importlib.util.find_spec("music21").origin).parent / "corpus" / "airdsAirs" / "book1.abc"
    with tempfile.TemporaryDirectory(prefix="abc-carry-") as name:
        home = Path(name) / "home"
        (home / "data/corpora/book").mkdir(parents=True)
        (home / "study.yaml").write_text(STUDY.format(book=book, tokens=args.tokens))
        options = Options(val_fraction=0.1, min_test_chars=0)
        build([Source("", str(book))], home / "data/corpora/book", options, workers=1)
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        carry = [sys.executable, "-m", "workflow.scripts.carry", "pack", "study.yaml", "--output", "pack.tar.xz"]
        subprocess.run(carry, cwd=home, env=env, check=True)

        first = Machine(Path(name) / "first", home / "pack.tar.xz")
        process = first.start()
        first.wait_for(FIRST, "65,536 tokens done")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        require(
            f"{args.tokens:,} tokens done" not in first.log(FIRST), "killed without a word in the middle of a training"
        )
        require(first.run("--seconds", "45") == 3, "stopped by its seconds")
        process = first.start()
        first.wait_for(LAST, "step 64/")
        process.send_signal(signal.SIGTERM)
        require(process.wait() == 3, "stopped by SIGTERM in the middle of another")
        require("stopped by signal 15" in first.log(LAST), "the training saved its state")
        require("resuming from step" in first.log(FIRST), "the first training went on where it was")

        second = Machine(Path(name) / "second", home / "pack.tar.xz")
        shutil.move(first.back, second.folder / "had.tar.xz")
        shutil.rmtree(first.folder)
        require(second.run("--have", "had.tar.xz", "--at_once", "2") == 0, "a new machine did the rest")
        require(second.log(FIRST) == "", f"and not {FIRST} again")

        shutil.copytree(ROOT / "profiles", home / "profiles")
        wanted = [f"results/mine/models/{model}/{args.tokens}-seed0/perplexity.json" for model in (FIRST, LAST)]
        snakemake = ["-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-d", str(home), "--configfile", "study.yaml"]
        subprocess.run([sys.executable, *snakemake, "-c1", "-q", "--", *wanted], cwd=home, env=env, check=True)
        with tarfile.open(second.back) as tar:
            files = {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}
        compared = [name for name in files if name.startswith("models/") and not name.endswith("carried.json")]
        wrong = [x for x in compared if plain(x, files[x]) != plain(x, (home / "results/mine" / x).read_bytes())]
        require(len(compared) > 20 and not wrong, f"{len(compared)} files are those of undisturbed training {wrong}")


if __name__ == "__main__":
    main()
