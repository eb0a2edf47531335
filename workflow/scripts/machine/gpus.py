"""Which GPUs a job takes, settled between the jobs of a machine by files that die with them.

Snakemake's `resources` limit how many jobs run at once, and assign no device. So each job claims what it
needs before CUDA starts: a claim is a locked file in one folder of the machine, and a job that is killed
loses its lock with its life. Only jobs of one user on one machine (or in one container) see each other.
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


@dataclass(frozen=True)
class Device:
    """A GPU, or a slice of one: its name for CUDA, and its memory in MB if that is known."""

    uuid: str
    total_mb: int | None


@dataclass(frozen=True)
class Claim:
    """What this process holds until it ends, or until ``descriptor`` is closed."""

    devices: tuple[Device, ...]
    vram_mb: int | None  # None: all of each device
    descriptor: int

    @property
    def visible(self) -> str:
        """What CUDA_VISIBLE_DEVICES must be."""
        return ",".join(device.uuid for device in self.devices)

    @property
    def memory_fraction(self) -> float:
        """What `torch.cuda.set_per_process_memory_fraction` must be given: the claim less CUDA's own context."""
        if self.vram_mb is None:
            return 1.0
        return max(self.vram_mb - CONTEXT_MB, 0) / self.devices[0].total_mb


@functools.cache
def claim_gpus(wanted: int = 1, vram_mb: int | None = None) -> Claim | None:
    """This process's claim, made once, with CUDA_VISIBLE_DEVICES set to it; None where there is no GPU.

    To be called before CUDA starts.
    """
    if not (found := devices()):
        return None
    taken = claim(wanted, vram_mb, found, machine_folder())
    os.environ["CUDA_VISIBLE_DEVICES"] = taken.visible
    return taken


def devices() -> list[Device]:
    """GPUs that this process may use, told by nvidia-smi so that CUDA does not start.

    A preset CUDA_VISIBLE_DEVICES restricts and orders them as CUDA reads it: indices (nvidia-smi's),
    UUIDs or their beginnings, up to the first that there is not. A MIG slice is taken as it is named.
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
    found = {index: Device(uuid, int(total) if total.isdigit() else None) for index, uuid, total in rows}
    preset = os.environ.get("CUDA_VISIBLE_DEVICES")
    return list(found.values()) if preset is None else list(named(preset, found))


def named(preset: str, found: dict[str, Device]) -> Iterator[Device]:
    for name in map(str.strip, preset.split(",")):
        if name.startswith("MIG-"):
            yield Device(name, None)
            continue
        match = [found[name]] if name in found else [d for d in found.values() if name and d.uuid.startswith(name)]
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


def claim(wanted: int, vram_mb: int | None, devices: list[Device], folder: Path, poll_seconds: float = 1.0) -> Claim:
    """Claim ``vram_mb`` of one device, or ``wanted`` whole devices; wait, and say so once, until they are free.

    A share goes where it leaves the least memory over (best fit): small jobs gather on few devices and
    leave whole ones to the largest models, which decide when a study ends. One larger than every device is
    the largest whole: the job then takes smaller passes. Nobody queues: whoever looks first when enough is
    free takes it. The claim outlives an `exec`.

    Raises:
        InputError: more is asked for than the devices have when all are free.
    """
    if vram_mb and wanted == 1 and all(d.total_mb for d in devices):
        vram_mb = min(vram_mb, max((d.total_mb for d in devices), default=vram_mb))
    enough = [d for d in devices if vram_mb is None or d.total_mb is None or d.total_mb >= vram_mb]
    if len(enough) < wanted:
        least = f" of {vram_mb} MB" if vram_mb else ""
        raise InputError(f"a job asks for GPUs{least}: {wanted}; here are: {len(enough)}")
    told = False
    while (taken := try_claim(wanted, vram_mb, enough, folder)) is None:
        if not told:
            what = f"{vram_mb} MB of a GPU" if vram_mb and wanted == 1 else f"GPUs that nobody uses: {wanted}"
            print(f"waiting for {what}", flush=True)
            told = True
        time.sleep(poll_seconds)
    return taken


def try_claim(wanted: int, vram_mb: int | None, devices: list[Device], folder: Path) -> Claim | None:
    """A claim if it can be had now."""
    mutex = lock(folder / "mutex", exclusive=True, wait=True)
    try:
        used = in_use(folder)
        needs, left = {}, {}
        for device in devices:
            size = device.total_mb or 1  # what cannot be measured cannot be shared
            needs[device] = vram_mb if vram_mb and wanted == 1 and device.total_mb else size
            if (over := size - used[device.uuid] - needs[device]) >= 0:
                left[device] = over
        if len(left) < wanted:
            return None
        best = tuple(sorted(left, key=left.get)[:wanted])
        path = folder / f"claim-{secrets.token_hex(8)}"
        path.write_text(json.dumps({device.uuid: needs[device] for device in best}))
        held = lock(path, exclusive=True)
        os.set_inheritable(held, True)
        shared = vram_mb and wanted == 1 and best[0].total_mb
        return Claim(best, vram_mb if shared else None, held)
    finally:
        os.close(mutex)


def in_use(folder: Path) -> Counter[str]:
    """MB in use by device; claims of the dead go. For whoever holds the mutex."""
    used = Counter()
    for path in folder.glob("claim-*"):
        if (dead := lock(path, exclusive=True)) is not None:
            path.unlink()
            os.close(dead)
        else:
            used.update(json.loads(path.read_text()))
    return used


CONTEXT_MB = 600  # what CUDA, cuBLAS and cuDNN take before the first tensor
