"""A study of the smallest models in a copy of the repository, and what the tests ask of it and do to it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests import forked
from workflow.scripts import study_config
from workflow.scripts.base.errors import InputError

ROOT = Path(__file__).parents[1]
MODELS = 4
NOT_COPIED = ("*.pyc", "*.tmp*")  # what is compiled for a path, and what another process is about to write
STUDY = """
corpus: data/raw
val_fraction: 0.1
test_fraction: 0.1
suite: [gpt_a, gpt_b, gpt_c, lstm_a]
models:
  gpt_a: {arch: gpt, n_layer: 1, n_embd: 8, n_head: 2, learning_rate: 0.01}
  gpt_b: {arch: gpt, n_layer: 1, n_embd: 12, n_head: 2, learning_rate: 0.01}
  gpt_c: {arch: gpt, n_layer: 1, n_embd: 16, n_head: 2, learning_rate: 0.01}
  lstm_a: {arch: lstm, n_layer: 1, n_embd: 10, learning_rate: 0.01}
tokens: [4096, 8192]
seeds: [0]
block_size: 32
warmup_steps: 4
num_samples: 2
samples_per_prompt: 1
baseline_samples: 3
ngram_orders: [4]
max_new_tokens: 40
eval_tokens: 512
checkpoint_seconds: 0
"""
# Runs of Snakemake, one after the other, in processes forked from one that has loaded it.
ONE_AFTER_THE_OTHER = """
import json, os, sys
import snakemake.cli
said = []
for args in json.loads(sys.argv[1]):
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        sys.argv[1:] = args
        snakemake.cli.main()
    os.close(writer)
    with open(reader) as lines:
        text = lines.read()
    said.append((os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text))
print(json.dumps(said))
"""


class Study:
    """A study in a folder, run by Snakemake."""

    def __init__(self, folder):
        self.folder = folder

    @property
    def first(self) -> str:
        """What was said when it was run first."""
        return (self.folder / "first.txt").read_text()

    def command(self, *args: str) -> list[str]:
        return ["-m", "snakemake", "--configfile", "study.yaml", "--cores", "2", *args]

    def ask(self, *args: str) -> subprocess.CompletedProcess:
        """Of its jobs, for which it finds the Python that runs it, the first of each command starts cold."""
        code = f"import sys, snakemake.cli; sys.executable = {forked.jobs_python()!r}; snakemake.cli.main()"
        return forked.run("-c", code, *self.command(*args)[2:], cwd=self.folder, timeout=600)

    def run(self, *args: str) -> str:
        """Output of a run that must succeed."""
        done = self.ask(*args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *args: str) -> dict[str, int]:
        """Jobs of a dry run by rule, but for `all`."""
        return jobs_of(self.run("--dry-run", *args))

    def each_planned(self, questions: list[tuple[str, ...]]) -> list[dict[str, int]]:
        """What is planned for each of several lists of arguments."""
        lines = [self.command("--dry-run", *args)[2:] for args in questions]
        done = forked.run("-c", ONE_AFTER_THE_OTHER, json.dumps(lines), cwd=self.folder, timeout=600)
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)
        assert [said for code, said in answers if code != 0] == []
        return [jobs_of(said) for _, said in answers]

    def module(self, name: str) -> Path:
        return self.folder / "workflow" / "scripts" / f"{name}.py"

    def edited(self, *modules: str, change: Callable[[str], str]) -> dict[str, int]:
        """What is planned with a change in some modules, which is taken back."""
        before = {path: (path.read_text(), path.stat()) for path in map(self.module, modules)}
        try:
            for path, (text, _) in before.items():
                path.write_text(change(text))
                assert path.read_text() != text
            return self.planned()
        finally:
            for path, (text, stat) in before.items():
                path.write_text(text)
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # or all that is compiled would be again

    def weights(self, run: str) -> bytes:
        return (self.folder / "results" / "models" / run / "model.safetensors").read_bytes()


def jobs_of(said: str) -> dict[str, int]:
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", said, re.MULTILINE | re.DOTALL)
    if not table:
        assert "Nothing to be done" in said
        return {}
    return {rule: int(n) for rule, n in map(str.split, table[1].splitlines()) if rule != "all"}


def copy_of(study: Study, folder, **options) -> Study:
    shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns(*NOT_COPIED), **options)
    return Study(folder)


def another_value(config: dict, key: str, named: dict) -> object:
    """A value that a key may have and has not: a named one, or that of another key."""
    of_others = [value for value in config.values() if not isinstance(value, dict | list | str)]
    for other in [named[key]] if key in named else of_others:
        may_be = (type(config[key]), *((int,) if isinstance(config[key], float) else ()))
        if other == config[key] or type(other) not in may_be:
            continue
        try:
            study_config.check(config | {key: other})
        except InputError:
            continue
        return other
    raise AssertionError(f"no other value for {key}")


def finished(book: Path, folder: Path) -> None:
    """Run the study on a book of tunes in a copy of the repository's tracked files; first.txt has what was said."""
    folder.mkdir()
    for name in ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs", "docs/original-study"):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_COPIED))
        else:
            shutil.copy(source, target)
    (folder / "data" / "raw").mkdir(parents=True)
    shutil.copy(book, folder / "data" / "raw")
    (folder / "study.yaml").write_text(STUDY)
    (folder / "first.txt").write_text(Study(folder).run())
