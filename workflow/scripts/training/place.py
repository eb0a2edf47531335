"""Where a study is to train: this machine, to be timed, or a device whose speed is assumed. Needs torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.device import pick_device, pick_precision
from workflow.scripts.training.cost import named_device

HERE = ("auto", "cpu", "cuda", "mps")  # devices of this machine
UTILISATION = 0.35  # of an assumed device, if not given: what wide models reach on a GPU; narrow ones reach less
MARGIN = 0.95  # of a card's memory, which its driver and error correction leave


@dataclass(frozen=True)
class Place:
    """Where the study is to train.

    Attributes:
        name: for people.
        device: of this machine, or None where rates are assumed.
        precision: of the study; a model may have its own.
        memory_mb: that one job can have: of a GPU; of a CPU's machine, all that is free.
        flops: FLOP a second that training gets in each precision, where that is assumed.
    """

    name: str
    device: torch.device | None
    precision: str
    memory_mb: int | None
    flops: Mapping[str, float] | None = None

    @property
    def on_gpu(self) -> bool:
        return self.device is None or self.device.type == "cuda"

    @property
    def is_assumed(self) -> bool:
        """Whether nothing can be measured."""
        return self.device is None

    def precision_of(self, asked: str) -> str:
        """What a precision by a model's options is here."""
        if self.device is None:
            return "float32" if asked == "float32" else "bfloat16"
        return pick_precision(asked, self.device)


@dataclass(frozen=True)
class Asked:
    """What was said of the device; each is None if nothing was.

    Attributes:
        device: of this machine, or one of `cost.DEVICES`.
        tflops: 10**12 FLOP a second of its products by its makers.
        memory_gb: of it.
        utilisation: share of the FLOP that training gets.
    """

    device: str | None = None
    tflops: float | None = None
    memory_gb: float | None = None
    utilisation: float | None = None


def place_of(config: dict, asked: Asked) -> tuple[Place, list[str]]:
    """Where the study trains, and sentences on what is not as it asks for.

    Raises:
        InputError: there is no such device, or a share of FLOP goes with none that is named.
    """
    if asked.utilisation == 0:
        raise InputError("--utilisation 0: nothing would ever be trained")
    name = asked.device or ("" if asked.tflops else config["device"])
    if name.split(":")[0] in HERE:
        if asked.tflops:
            raise InputError(f"--device {name} is timed here: --device_tflops is for another device")
        if asked.utilisation is not None or asked.memory_gb is not None:
            raise InputError("--utilisation and --device_memory_gb go with a named --device, or --device_tflops")
        return place_here(config, name, must_be=asked.device is not None)
    known = named_device(name) if name else None
    by_precision = {each: asked.tflops or (known.tflops[each] if known else 0.0) for each in ("float32", "bfloat16")}
    precision = "float32" if config["precision"] == "float32" else "bfloat16"
    memory_gb = asked.memory_gb or (known.memory_gb if known else None)
    share = UTILISATION if asked.utilisation is None else asked.utilisation
    speed = f"{by_precision[precision]:g} TFLOP/s in {precision}"
    label = f"{name or 'a device'} of {speed}, of which training gets {share:.0%}"
    memory_mb = int(memory_gb * 1024 * MARGIN) if memory_gb else None
    flops = {each: tflops * 1e12 * share for each, tflops in by_precision.items()}
    return Place(label, None, precision, memory_mb, flops), []


def place_here(config: dict, name: str, must_be: bool) -> tuple[Place, list[str]]:
    """This machine; a GPU that the study asks for and that is not here is a sentence."""
    lacking = []
    try:
        device = pick_device(name)
    except InputError:
        if must_be:
            raise
        device = torch.device("cpu")
        lacking = [f"the study trains on {name}, and there is none here: the hours are of this machine's CPU"]
    precision = pick_precision(config["precision"], device)
    if device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0] >> 20
        return Place(torch.cuda.get_device_name(device), device, precision, memory), lacking
    threads: int = config["threads_per_job"]
    label = f"this machine's {device.type.upper()}, {threads} thread{'s' * (threads > 1)} a job"
    return Place(label, device, precision, free_memory_mb()), lacking


def free_memory_mb() -> int | None:
    """Memory that processes can have here in MB of 2**20 bytes, if the system says so."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) >> 10
    except (OSError, StopIteration):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        except (ValueError, OSError):
            return None
