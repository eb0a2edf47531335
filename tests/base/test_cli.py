"""How every command starts and ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks for what a process has loaded in /proc")
@pytest.mark.parametrize("loaded", ["numpy", "libtorch_cpu"])
def test_ctrl_c_while_a_command_imports_leaves_no_traceback(loaded):
    """A cold start, stopped on its way to torch, and within it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow.scripts.calc_perplexity", "--checkpoint", "nowhere"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while loaded not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT
