"""How much memory a step of training takes, against the estimate that plans and passes go by (`training/memory.py`).

Each shape is trained for some steps, and scores some windows as a validation does, in a process of its own; on a GPU,
the shapes of the Lakh study with as many windows in a pass as the estimate says it has memory for. Compared is the peak
of the process, or on a GPU that of torch's reserve and what CUDA takes beside it. Each row is kept when it is measured.

Examples:
  python -m benchmarks.memory --device cpu --threads 1
  python -m benchmarks.memory --device cuda
"""

import multiprocessing
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from benchmarks.against import keep_rows
from benchmarks.kept import Kept, keep_each
from benchmarks.shapes import best_precision, of_study, sizes
from benchmarks.train import STEPS, on_cpu, our_stepper
from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.evaluation.scoring import score_tunes
from workflow.scripts.machine.device import peak_memory_mb, pick_device, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.memory import host_mb, micro_batch_for, vram_mb

BF16_FROM = 128  # narrowest width whose row on a CPU is in bfloat16, where it has that natively
TAKEN, SCORED = 4, 16  # steps, and windows


@dataclass(frozen=True)
class Job:
    """What a row measures: a shape, windows a step and in a pass, and the precision."""

    config: ModelConfig
    lanes: int
    at_once: int
    precision: str

    @property
    def name(self) -> str:
        c = self.config
        return f"{c.arch} {c.n_layer}x{c.n_embd}, T={c.block_size}, B={self.lanes}, {self.precision}"

    @property
    def against(self) -> None:
        """Nothing: the estimate is in the row."""

    @property
    def code(self) -> str:
        """Digest of the code that it runs, and of the estimate."""
        return code_digest("training/stepper", "training/memory", "evaluation/scoring", f"models/{self.config.arch}")

    def estimated_mb(self, device: torch.device) -> int:
        """What the project's own estimate says."""
        if device.type == "cuda":
            return vram_mb(micro_batch=self.at_once, **sizes(self.config, self.precision))
        return self.estimated_host_mb(device)

    def estimated_host_mb(self, device: torch.device) -> int:
        """The same of the process on its machine."""
        tokens = self.lanes * STEPS * self.config.block_size
        return host_mb(self.config, self.at_once, self.precision, tokens, device.type == "cuda")


def jobs_on(device: torch.device, memory_mb: int | None = None) -> list[Job]:
    """All rows of a device; ``memory_mb`` of a GPU is what is free there, or not told."""
    best = best_precision(device)
    if device.type != "cuda":
        return [
            Job(config, lanes, at_once, best if config.n_embd >= BF16_FROM else "float32")
            for config, lanes, at_once in on_cpu()
        ]
    found = []
    for shape in of_study():
        most = micro_batch_for(memory_mb, shape.lanes, **sizes(shape.config, best)) if memory_mb else shape.lanes
        found.append(Job(shape.config, shape.lanes, most, best))
    return found


def work(pipe: Connection, job: Job, device: torch.device, threads: int, free: int) -> None:
    """Take the steps, score, and send what was held at the most; ``free`` bytes were so before this process began."""
    set_up_cpu(threads)
    torch.manual_seed(0)
    stepper = our_stepper(job.config, job.lanes, job.at_once, device, job.precision)
    tune = np.random.default_rng(0).integers(2, job.config.vocab_size, job.config.block_size + 1)
    for step in range(TAKEN):
        stepper.step(step, 1e-3)
        score_tunes(stepper.model, [tune] * SCORED, device, job.precision)
        stepper.model.train()
    pipe.send(held(device, free) | {"windows_in_a_pass": stepper.micro_batch})


def held(device: torch.device, free: int) -> dict[str, int]:
    """MB of 2**20 bytes at the peak: of the process, or of a GPU of which ``free`` bytes were so before it began."""
    if device.type != "cuda":
        return {"measured_mb": peak_of_process_mb()}
    torch.cuda.synchronize()
    peak = peak_memory_mb(device)
    # The context, and what libraries took beside torch's reserve.
    beside = (free - torch.cuda.mem_get_info()[0] - torch.cuda.memory_reserved()) >> 20
    return {
        "measured_mb": peak + beside,
        "allocated_mb": torch.cuda.max_memory_allocated() >> 20,
        "reserved_mb": peak,
        "beside_mb": beside,
        "host_measured_mb": peak_of_process_mb(),
    }


def peak_of_process_mb() -> int:
    """The most memory that this process has held; a count of what a process inherits, as getrusage's, is larger."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) >> 10
    except (OSError, StopIteration):
        return peak_memory_mb(torch.device("cpu"))


def measure(job: Job, device: torch.device, threads: int) -> dict:
    """A row of the result. On a CPU the second of two processes counts: the first may compile kernels, and hold more.

    Raises:
        InputError: a process that measures it ended before it could say.
    """
    for _ in range(1 if device.type == "cuda" else 2):
        found = one_process(job, device, threads)
    host = {"host_estimated_mb": job.estimated_host_mb(device)} if device.type == "cuda" else {}
    return {"name": job.name, "asked_windows": job.at_once, "estimated_mb": job.estimated_mb(device)} | host | found


def one_process(job: Job, device: torch.device, threads: int) -> dict[str, int]:
    """What a process of its own finds."""
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe(duplex=False)
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else 0
    process = context.Process(target=work, args=(end, job, device, threads, free))
    process.start()
    end.close()
    try:
        found: dict[str, int] = pipe.recv()
    except EOFError as error:
        raise InputError("the process that measures ended: see what it printed above") from error
    finally:
        process.join()
    return found


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=cli.positive_int, default=1, help="CPU threads")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    keep_rows(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    jobs = jobs_on(device, torch.cuda.mem_get_info()[0] >> 20 if device.type == "cuda" else None)
    kept = Kept("memory", device, args.output, args.commit, {job.name for job in jobs})
    keep_each(jobs, kept, partial(measure, device=device, threads=args.threads), args)


if __name__ == "__main__":
    cli.run(main)
