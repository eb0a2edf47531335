"""Every command starts cold, as its users start it; the other tests fork theirs from a process that has all loaded."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, command

SCRIPTS = ROOT / "workflow" / "scripts"
COMMANDS = sorted(path.stem for path in SCRIPTS.glob("*.py") if "cli.run(main)" in path.read_text(encoding="utf-8"))


def test_commands_are_found():
    assert {"prepare", "train", "sample", "plot_scaling", "write_original"} <= set(COMMANDS)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_says_cold_how_it_is_used(module):
    line = [sys.executable, "-m", f"workflow.scripts.{module}", "--help"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {module}.py [-h]")
    assert command(module, "--help").stdout == done.stdout


def test_an_unknown_flag_is_refused_cold():
    line = [sys.executable, "-m", "workflow.scripts.train", "--no_such_flag", "1"]
    cold = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    forked = command("train", "--no_such_flag", 1)
    assert cold.returncode == forked.returncode == 2
    assert cold.stderr == forked.stderr != ""
