"""Jobs that claim GPUs, as real processes, and how what is visible of them is found."""

import os
import subprocess
import sys

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine import gpus
from workflow.scripts.machine.gpus import Gpu, claim

ONE = [Gpu("GPU-a", 10000)]
TWO = [Gpu("GPU-a", 10000), Gpu("GPU-b", 10000)]
JOB = """
import sys
from pathlib import Path
from workflow.scripts.machine.gpus import Claim, Gpu, claim
taken = claim({wanted}, {vram_mb}, {gpus}, Path({folder!r}), poll_seconds=0.01)
print("claimed", taken.visible, flush=True)
sys.stdin.read()
"""


class Jobs:
    """Real processes that claim, say so, and hold their claim until they are told to end or are killed."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.running = []

    def start(self, wanted=1, vram_mb=None, gpus=ONE) -> subprocess.Popen:
        code = JOB.format(wanted=wanted, vram_mb=vram_mb, gpus=gpus, folder=self.folder)
        job = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.running.append(job)
        return job


@pytest.fixture
def jobs(tmp_path):
    jobs = Jobs(tmp_path)
    yield jobs
    for job in jobs.running:
        with job:
            job.kill()


def end(job):
    job.stdin.close()
    assert job.wait(timeout=30) == 0


def says(job) -> str:
    return job.stdout.readline().strip()


def test_two_jobs_fit_and_the_third_waits_for_one_of_them(jobs):
    first, second = jobs.start(vram_mb=4000), jobs.start(vram_mb=4000)
    assert says(first) == says(second) == "claimed GPU-a"
    third = jobs.start(vram_mb=4000)
    assert says(third) == "waiting for 4000 MB of a GPU"
    small = jobs.start(vram_mb=2000)
    assert says(small) == "claimed GPU-a"  # whoever fits does not wait behind who does not
    end(second)
    assert says(third) == "claimed GPU-a"  # and said only once that it waited
    assert says(jobs.start(vram_mb=4000)).startswith("waiting")


def test_a_killed_holder_frees_its_share_at_once(jobs):
    holder = jobs.start()
    assert says(holder) == "claimed GPU-a"
    waiting = jobs.start(vram_mb=1)
    assert says(waiting) == "waiting for 1 MB of a GPU"
    holder.kill()
    assert says(waiting) == "claimed GPU-a"


def test_two_whole_gpus_wait_for_both(jobs):
    left, right = jobs.start(vram_mb=6000, gpus=TWO), jobs.start(vram_mb=6000, gpus=TWO)
    assert sorted((says(left), says(right))) == ["claimed GPU-a", "claimed GPU-b"]
    pair = jobs.start(wanted=2, gpus=TWO)
    assert says(pair) == "waiting for GPUs that nobody uses: 2"
    end(left)
    assert says(jobs.start(vram_mb=4000, gpus=TWO)).startswith("claimed")  # one of two is not enough for the pair
    end(right)
    end(jobs.running[-1])
    assert says(pair) == "claimed GPU-a,GPU-b"
    assert says(jobs.start(vram_mb=1, gpus=TWO)).startswith("waiting")


def test_many_at_once_never_take_more_than_there_is(jobs):
    """Twelve jobs of a third of a GPU each, on two: six claim, and each end lets one more in."""
    started = [jobs.start(vram_mb=3333, gpus=TWO) for _ in range(12)]
    opened = [says(job) for job in started]
    assert sorted(opened) == 3 * ["claimed GPU-a"] + 3 * ["claimed GPU-b"] + 6 * ["waiting for 3333 MB of a GPU"]
    for job, line in zip(started, opened, strict=True):
        if line.startswith("claimed"):
            end(job)
    assert sorted(says(job) for job, line in zip(started, opened, strict=True) if line.startswith("waiting")) == (
        3 * ["claimed GPU-a"] + 3 * ["claimed GPU-b"]
    )


def test_a_share_goes_where_it_leaves_the_least(tmp_path):
    mixed = [Gpu("GPU-large", 80000), Gpu("GPU-small", 10000)]
    taken = [claim(1, 4000, mixed, tmp_path) for _ in range(3)]
    assert [one.visible for one in taken] == ["GPU-small", "GPU-small", "GPU-large"]
    assert claim(1, 40000, mixed, tmp_path).visible == "GPU-large"


def test_what_a_claim_gives_torch(tmp_path):
    share = claim(1, 4000, ONE, tmp_path)
    assert share.memory_fraction == pytest.approx((4000 - gpus.CONTEXT_MB) / 10000)
    os.close(share.descriptor)
    whole = claim(1, None, ONE, tmp_path)
    assert (whole.visible, whole.memory_fraction) == ("GPU-a", 1.0)
    os.close(whole.descriptor)
    pair = claim(2, 4000, TWO, tmp_path)
    assert (pair.visible, pair.memory_fraction) == ("GPU-a,GPU-b", 1.0)


def test_a_gpu_of_unknown_size_is_taken_whole(tmp_path):
    slice_ = [Gpu("MIG-1", None)]
    taken = claim(1, 4000, slice_, tmp_path)
    assert (taken.visible, taken.memory_fraction) == ("MIG-1", 1.0)
    assert gpus.try_claim(1, 4000, slice_, tmp_path) is None


def test_claims_outlive_exec(jobs):
    code = JOB.format(wanted=1, vram_mb=None, gpus=ONE, folder=jobs.folder)
    code = code.replace("sys.stdin.read()", "import os; os.execvp('cat', ['cat'])")
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    jobs.running.append(other)
    assert says(other) == "claimed GPU-a"
    other.stdin.write("cat is running\n")
    other.stdin.flush()
    assert says(other) == "cat is running"
    assert says(jobs.start()).startswith("waiting")


@pytest.mark.parametrize(
    ("wanted", "vram_mb", "sentence"),
    [
        (3, None, "asks for GPUs: 3; here are: 2"),
        (2, 9000, "asks for GPUs of 9000 MB: 2; here are: 1"),
    ],
)
def test_what_can_never_be_had_is_one_sentence_at_once(tmp_path, wanted, vram_mb, sentence):
    with pytest.raises(InputError, match=sentence):
        claim(wanted, vram_mb, [Gpu("GPU-a", 10000), Gpu("GPU-b", 8000)], tmp_path)


def test_a_job_larger_than_every_gpu_gets_the_largest_whole(tmp_path):
    taken = claim(1, 65800, [Gpu("GPU-b", 8000), Gpu("GPU-a", 10000)], tmp_path)
    assert (taken.visible, taken.vram_mb) == ("GPU-a", 10000)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A machine of three GPUs, as far as nvidia-smi says."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "--query-gpu=index,uuid,memory.total --format=csv,noheader,nounits" ] || exit 2\n'
        "echo '0, GPU-1c4e, 24564'; echo '1, GPU-1d77, 81559'; echo '2, GPU-99aa, [N/A]'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


A, B, C = Gpu("GPU-1c4e", 24564), Gpu("GPU-1d77", 81559), Gpu("GPU-99aa", None)


@pytest.mark.parametrize(
    ("preset", "found"),
    [
        (None, [A, B, C]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", [B]),
        ("2,0", [C, A]),
        ("0,-1,1", [A]),
        ("0,7,1", [A]),
        ("GPU-1d77", [B]),
        ("GPU-99, 0", [C, A]),
        ("GPU-1", []),  # could be either
        ("MIG-5f,1", [Gpu("MIG-5f", None), B]),
    ],
)
def test_a_preset_restricts_the_gpus_as_in_cuda(nvidia_smi, monkeypatch, preset, found):
    if preset is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", preset)
    assert gpus.visible_gpus() == found


def test_no_nvidia_smi_or_one_that_fails_is_no_gpu(nvidia_smi, monkeypatch):
    nvidia_smi.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert gpus.visible_gpus() == []
    monkeypatch.setenv("PATH", "")
    assert gpus.visible_gpus() == []


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_process_claims_once_and_says_so_in_its_environment(nvidia_smi, temporary, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # also, so that it is put back
    gpus.claim_gpus.cache_clear()
    taken = gpus.claim_gpus(1, 20000)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == taken.visible == "GPU-1d77"
    assert gpus.claim_gpus(1, 20000) is taken
    assert gpus.in_use(gpus.machine_folder()) == {"GPU-1d77": 20000}
    os.close(taken.descriptor)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpus.claim_gpus.cache_clear()
    assert gpus.claim_gpus(1, 20000) is None
    gpus.claim_gpus.cache_clear()


def test_the_machines_folder_is_this_users_alone(temporary, monkeypatch):
    folder = gpus.machine_folder()
    assert folder.parent == temporary
    assert folder.stat().st_mode & 0o777 == 0o700
    assert gpus.machine_folder() == folder
    another = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: another)
    somebody_elses = temporary / f"abc-scaling-gpu-claims-{another}"
    somebody_elses.mkdir()
    with pytest.raises(InputError, match="is not this user's own folder"):
        gpus.machine_folder()
    somebody_elses.rmdir()
    somebody_elses.symlink_to(folder)
    with pytest.raises(InputError, match="is not this user's own folder"):
        gpus.machine_folder()
