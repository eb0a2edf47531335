"""Which GPUs a job takes, settled among the jobs of a machine by locks on files, which end with the jobs.

Snakemake's `resources` limit how many jobs run at once, and assign no GPU. So each job claims what it needs before CUDA
starts: a claim is a locked file in one folder of the machine, and a job that is killed loses its lock at once. Only
jobs of one user on one machine (or in one container) see each other. Memory is in MB of 2**20 bytes, as nvidia-smi
counts it. Needs nvidia-smi: without it there is no GPU.
"""

import contextlib
import functools
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.machine.options import CONTEXT_MB


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a slice of one (MIG): its name for CUDA, and its memory if that is known."""

    uuid: str
    total_mb: int | None


@dataclass(frozen=True)
class Claim:
    """The GPUs that this process holds until it ends, or until ``descriptor`` is closed."""

    gpus: tuple[Gpu, ...]
    vram_mb: int | None  # of the only one; None: all of each
    descriptor: int

    @property
    def visible(self) -> str:
        """What CUDA_VISIBLE_DEVICES must be."""
        return ",".join(gpu.uuid for gpu in self.gpus)

    @property
    def memory_fraction(self) -> float:
        """What `torch.cuda.set_per_process_memory_fraction` must be given: the claim less CUDA's own context."""
        total_mb = self.gpus[0].total_mb
        if self.vram_mb is None or total_mb is None:
            return 1.0
        return max(self.vram_mb - CONTEXT_MB, 0) / total_mb


@functools.cache
def claim_gpus(wanted: int = 1, vram_mb: int | None = None) -> Claim | None:
    """This process's claim, made once, with CUDA_VISIBLE_DEVICES set to it; None where there is no GPU.

    Call it before CUDA starts. It waits until what is wanted is free; see `claim`.
    """
    if not (found := visible_gpus()):
        return None
    taken = claim(wanted, vram_mb, found, machine_folder())
    os.environ["CUDA_VISIBLE_DEVICES"] = taken.visible
    return taken


def visible_gpus() -> list[Gpu]:
    """GPUs that this process may use; nvidia-smi lists them, so that CUDA does not start.

    A preset CUDA_VISIBLE_DEVICES restricts and orders them as CUDA reads it: by numbers (nvidia-smi's), UUIDs or the
    beginnings of UUIDs, up to the first that names none. A slice (MIG) is taken as it is named.
    """
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True)
    except OSError:  # no driver
        return []
    if done.returncode:
        return []
    rows = [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines()]
    # "[N/A]" where a GPU shares the memory of the CPU.
    found = {index: Gpu(uuid, int(total) if total.isdigit() else None) for index, uuid, total in rows}
    preset = os.environ.get("CUDA_VISIBLE_DEVICES")
    return list(found.values()) if preset is None else list(named(preset, found))


def named(preset: str, found: dict[str, Gpu]) -> Iterator[Gpu]:
    """The GPUs that a CUDA_VISIBLE_DEVICES names, of those ``found`` by nvidia-smi's numbers."""
    for name in map(str.strip, preset.split(",")):
        if name.startswith("MIG-"):
            yield Gpu(name, None)
            continue
        by_uuid = [gpu for gpu in found.values() if name and gpu.uuid.startswith(name)]
        match = [found[name]] if name in found else by_uuid
        if len(match) != 1:
            return
        yield match[0]


def machine_folder() -> Path:
    """The folder of this user's claims on this machine.

    Raises:
        InputError: somebody else made a folder of that name.
    """
    folder = Path(tempfile.gettempdir(), f"abc-scaling-gpu-claims-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder} is not this user's own folder: remove it, or set TMPDIR to another place")
    return folder


def claim(wanted: int, vram_mb: int | None, gpus: list[Gpu], folder: Path, poll_seconds: float = 1.0) -> Claim:
    """Claim ``vram_mb`` of one GPU, or ``wanted`` whole ones; wait, and say so once, until they are free.

    A share goes where it leaves the least memory over (best fit). So small jobs gather on few GPUs and leave whole ones
    to the largest models, which decide when a study ends. A share larger than every GPU becomes the largest GPU as a
    whole: the job then takes smaller passes. There is no queue: the first job to look when enough is free takes it. The
    claim outlives an `exec`.

    Raises:
        InputError: more is asked for than the GPUs have when all are free.
    """
    sizes = [gpu.total_mb for gpu in gpus if gpu.total_mb]
    if vram_mb and wanted == 1 and len(sizes) == len(gpus):
        vram_mb = min(vram_mb, max(sizes, default=vram_mb))
    enough = [gpu for gpu in gpus if vram_mb is None or gpu.total_mb is None or gpu.total_mb >= vram_mb]
    if len(enough) < wanted:
        least = f" of {vram_mb} MB" if vram_mb else ""
        raise InputError(f"a job asks for GPUs{least}: {wanted}; here are: {len(enough)}")
    has_said_so = False
    while (taken := try_claim(wanted, vram_mb, enough, folder)) is None:
        if not has_said_so:
            what = f"{vram_mb} MB of a GPU" if vram_mb and wanted == 1 else f"GPUs that nobody uses: {wanted}"
            print(f"waiting for {what}", flush=True)
            has_said_so = True
        time.sleep(poll_seconds)
    return taken


def try_claim(wanted: int, vram_mb: int | None, gpus: list[Gpu], folder: Path) -> Claim | None:
    """A claim as of `claim`, or None if it cannot be had now."""
    mutex = lock(folder / "mutex", exclusive=True, wait=True)
    try:
        used = in_use(folder)
        needs: dict[Gpu, int] = {}
        left: dict[Gpu, int] = {}
        for gpu in gpus:
            size = gpu.total_mb or 1  # what cannot be measured cannot be shared
            needs[gpu] = vram_mb if vram_mb and wanted == 1 and gpu.total_mb else size
            if (over := size - used[gpu.uuid] - needs[gpu]) >= 0:
                left[gpu] = over
        if len(left) < wanted:
            return None
        best = tuple(sorted(left, key=left.__getitem__)[:wanted])
        path = folder / f"claim-{secrets.token_hex(8)}"
        path.write_text(json.dumps({gpu.uuid: needs[gpu] for gpu in best}))
        held = lock(path, exclusive=True, wait=True)  # at once, as nobody else may look before the mutex is free
        os.set_inheritable(held, True)
        shared = vram_mb and wanted == 1 and best[0].total_mb
        return Claim(best, vram_mb if shared else None, held)
    finally:
        os.close(mutex)


def in_use(folder: Path) -> Counter[str]:
    """MB in use, by a GPU's UUID; claims of jobs that have ended are removed. Only for whoever holds the mutex."""
    used: Counter[str] = Counter()
    for path in folder.glob("claim-*"):
        if (dead := lock(path, exclusive=True)) is not None:
            path.unlink()
            os.close(dead)
        else:
            used.update(json.loads(path.read_text()))
    return used
