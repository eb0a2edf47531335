"""Ideas on training on a GPU: a step of ours with each and without it, turn by turn, each in a process of its own.

None is decided before it is measured: what is the default today is named in each row. A row of more than one has an
idea that pays. Each row is kept as soon as it is measured.

Examples:
  python -m benchmarks.gpu_ideas --device cuda
  python -m benchmarks.gpu_ideas --device cpu --only attention
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks import against, train
from benchmarks.against import timed
from benchmarks.kept import Kept, keep_each
from benchmarks.shapes import best_precision, of_study
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.machine.device import pick_device, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.training import stepper
from workflow.scripts.training.memory import micro_batch_for


def as_it_is() -> None:
    """Change nothing."""


def no_graphs() -> None:
    """torch.compile without CUDA graphs."""
    stepper.GRAPH_PAYS_BELOW = 0


def graphs_at_any_width() -> None:
    """CUDA graphs for every model whose step is one pass."""
    stepper.GRAPH_PAYS_BELOW = 1 << 30


def no_compiler() -> None:
    """torch's operators, one after the other."""
    stepper.Stepper.compiled = lambda self: self.loss


def searched_products() -> None:
    """torch.compile that tries several kernels for each product and takes the fastest."""
    stepper.compile_mode = lambda alone, n_embd: "max-autotune-no-cudagraphs"


def attention_without_cudnn() -> None:
    """Flash attention of torch's own."""
    torch.backends.cuda.enable_cudnn_sdp(False)


def attention_of_cudnn() -> None:
    """Attention by cuDNN, where it can."""
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)


@dataclass(frozen=True)
class Idea:
    """A row: words, a shape, so many windows in a pass, and what sets up the process with the idea."""

    words: str
    config: ModelConfig
    lanes: int
    precision: str
    set_up: Callable[[], None]

    @property
    def name(self) -> str:
        c = self.config
        return f"{self.words}: {c.arch} {c.n_layer}x{c.n_embd}, T={c.block_size}, B={self.lanes}, {self.precision}"

    @property
    def against(self) -> str:
        return "as it is"

    @property
    def code(self) -> str:
        """Digest of the code that it runs."""
        return code_digest("training/stepper", f"models/{self.config.arch}")


def ideas(device: torch.device) -> list[Idea]:
    """Every row there is: the narrowest Transformer of the study, one of a width of 768 or so, and the largest."""
    if device.type == "cuda":
        found = [(shape.config, shape.lanes) for shape in of_study() if shape.is_trained]
    else:
        found = [(config, lanes) for config, lanes, _ in train.on_cpu()]
    sizes = sorted((pair for pair in found if models.kind_of(pair[0].arch) == "gpt"), key=lambda pair: pair[0].n_embd)
    narrow, wide = sizes[0], sizes[-1]
    middle = next((pair for pair in sizes if pair[0].n_embd >= stepper.GRAPH_PAYS_BELOW), wide)
    rows = [
        ("attention by flash, not cuDNN", narrow, attention_without_cudnn),
        ("attention by flash, not cuDNN", wide, attention_without_cudnn),
        ("attention by cuDNN", narrow, attention_of_cudnn),
        ("attention by cuDNN", wide, attention_of_cudnn),
        ("without CUDA graphs", narrow, no_graphs),
        ("with CUDA graphs", middle, graphs_at_any_width),
        ("without torch.compile", narrow, no_compiler),
        ("without torch.compile", wide, no_compiler),
        ("products chosen by trial", wide, searched_products),
    ]
    best = best_precision(device)
    return [Idea(words, config, lanes, best, set_up) for words, (config, lanes), set_up in rows]


def prepared(threads: int, set_up: Callable[[], None]) -> None:
    """Set a process up as a job is, then with the idea."""
    set_up_cpu(threads)
    set_up()


def measure(idea: Idea, args: Namespace, device: torch.device) -> dict:
    """A row of the result.

    Raises:
        InputError: one of the two processes ended before it was done.
    """
    times = train.A_TURN[device.type]
    at_once = idea.lanes
    if device.type == "cuda":
        memory_mb = torch.cuda.mem_get_info()[0] >> 20
        at_once = micro_batch_for(memory_mb // 2, idea.lanes, **train.sizes(idea.config, idea.precision))
    size = idea.config, idea.lanes, at_once, device, idea.precision
    with (
        timed(partial(prepared, args.threads, idea.set_up), device, train.turn, train.our_step, times, *size) as ours,
        timed(partial(prepared, args.threads, as_it_is), device, train.turn, train.our_step, times, *size) as theirs,
    ):
        work = times * idea.lanes * idea.config.block_size
        row = against.alternate(ours, theirs, (work, work), args.rounds, train.MOST_SECONDS[device.type])
    return {"name": idea.name, "against": idea.against, "unit": "tokens/s", "windows_in_a_pass": at_once, **row}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=cli.positive_int, default=1, help="CPU threads")
    parser.add_argument("--rounds", type=cli.positive_int, default=10)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    against.keep_rows(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    found = ideas(device)
    kept = Kept("gpu_ideas", device, args.output, args.commit, {idea.name for idea in found})
    keep_each(found, kept, partial(measure, args=args, device=device), args)


if __name__ == "__main__":
    cli.run(main)
