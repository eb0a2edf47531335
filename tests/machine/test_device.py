"""How a job uses its machine."""

import platform

import pytest

from tests import forked
from tests.conftest import ROOT

FAULTS = """
import resource, torch
from workflow.scripts.machine.device import set_up_cpu
{set_up}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    pieces = [torch.ones(1 << 24) for _ in range(2)]  # 64 MB each: more than glibc ever keeps by itself
counts = []
for _ in range(24):  # small objects may split what was freed: in one heap of eight it takes 8 steps to settle
    before = faults()
    step()
    counts.append(faults() - before)
print(min(counts), torch.get_num_threads())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep memory")
def test_freed_memory_is_kept_for_the_next_step():
    """A step of 128 MB asks the system for its pages again and again, unless the process was set up."""
    counts = []
    for set_up in ("torch.set_num_threads(1)", "set_up_cpu(1)"):
        code = FAULTS.format(set_up=set_up)
        done = forked.run("-c", code, cwd=ROOT)
        faults, threads = map(int, done.stdout.split())
        counts.append(faults)
        assert threads == 1
    assert counts[1] < counts[0] / 10
