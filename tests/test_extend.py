"""The recipes of docs/extend.md, as they stand there, in a copy of the repository."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import ROOT
from tests.small_study import jobs_of

PAGE = ROOT / "docs" / "extend.md"
MODEL = """
import json
import torch
from workflow.scripts import models
from workflow.scripts.grammar.checker import parse
from workflow.scripts.writing.features import measure
from workflow.scripts.base import measures

config = models.ModelConfig("gpt_relu", 50, 16, 2, 24, 2)
arch = models.module_for("gpt_relu")
ids = torch.arange(32).reshape(2, 16)
losses = []
for name in ("gpt_relu", "gpt"):
    torch.manual_seed(0)
    losses.append(float(models.module_for(name).Model(config).double().loss(ids, ids.flip(1))[0]))
tune = measure(parse("X:1\\nL:1/4\\nK:C\\nC E | G c |\\n"))
print(json.dumps([losses, arch.count_params(config), [getattr(tune, name) for name in measures.MEANS]]))
"""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found


def apply(diff: str, folder: Path) -> None:
    """Put the lines of a diff without line numbers where the page says: each hunk stands once in its file."""
    for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
        name, *hunks = re.split(r"^@@\n", part, flags=re.MULTILINE)
        path = folder / name.removeprefix("+++ b/").strip()
        text = path.read_text(encoding="utf-8")
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +"))
            assert text.count(old) == 1
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the repository to which all recipes were applied."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copy(ROOT / "config.yaml", folder)
    for name in ("rules", "workflow", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.tmp*"))  # with what is compiled
    (folder / "Snakefile").write_text((ROOT / "Snakefile").read_text() + '\n\ninclude: "rules/seconds.smk"\n')
    for language in ("python", "yaml", "rst"):
        for block in blocks(language):
            if found := re.match(r"(?:#|\.\.) (\S+/\S+)\n", block):
                path = folder / found[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(block[found.end() :], encoding="utf-8")
    for diff in blocks("diff"):
        apply(diff, folder)
    (folder / "data/raw/mine").mkdir(parents=True)
    (folder / "data/raw/mine/one.abc").write_text("X:1\nK:C\nCDEF|\n")
    return folder


def test_the_architecture_and_the_metric_do_what_they_say(extended):
    done = forked.run("-c", MODEL, cwd=extended, env={"PYTHONPATH": str(extended)})
    assert done.returncode == 0, done.stderr
    (relu, gelu), params, means = json.loads(done.stdout)
    assert 0 < relu != gelu > 0
    assert params == [12 * 2 * 24**2, 12 * 2 * 24**2 + 50 * 24]
    assert means[-1] == 12  # from C to the octave above it


def test_the_study_trains_the_new_models_on_the_mixture_and_draws_the_new_figure(extended):
    done = forked.run("-m", "snakemake", "-n", "--configfile", "studies/mine.yaml", "--", "results/mine/seconds.pdf",
                      cwd=extended)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"train": 12, "seconds": 1, "prepare": 1}.items() <= jobs_of(done.stdout).items()
    for said in ("--source mine data/raw/mine weight=2", "--arch gpt_relu", "plot_seconds results/mine/runs.csv"):
        assert said in done.stdout


def test_the_law_is_fitted_to_the_recorded_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (law,) = (block for block in blocks("python") if "Problem(" in block)
    names: dict = {}
    exec(law, names)
    found = names["no_floor"].printed(names["best"].theta, names["problem"].data)
    low, high = map(float, re.search(r"\[([\d.]+), ([\d.]+)]", capsys.readouterr().out).groups())
    assert low < found["alpha"] < high
    assert found.keys() == {"A", "B", "alpha", "beta"}


def test_the_figure_is_drawn_from_the_recorded_runs(extended):
    drawn = extended / "results" / "seconds.png"
    drawn.parent.mkdir(exist_ok=True)
    done = forked.run("-m", "workflow.scripts.plot_seconds", str(ROOT / "docs/default-study/runs.csv"), str(drawn),
                      cwd=extended, env={"PYTHONPATH": str(extended)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in drawn.parent.glob("seconds.*")} == {".png", ".pdf"}
