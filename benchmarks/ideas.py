"""What each idea for speed gave, and what those gave that were dropped: one row an idea, turn by turn, on this machine.

The baseline of a row is the same step, or product, without the idea (or with it, where the idea was dropped). Each side
has a process of its own. The last column is the share of the rate of the core's own products that the faster side uses.

Example:
  python -m benchmarks.ideas
"""

import multiprocessing
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.against import VOCABULARY, alternate, product_flops, timed, write_result
from benchmarks.train import STEPS
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.kernels.compiled import array, kernel
from workflow.scripts.kernels.tile import multiply
from workflow.scripts.machine import crew
from workflow.scripts.machine.device import pick_precision, set_up_cpu
from workflow.scripts.models import ModelConfig, gpt, lstm
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper

CPU = torch.device("cpu")
# n_layer, n_embd, n_head, block_size, windows a step
TINY, XL, WIDE, WIDER = (2, 24, 2, 128, 8), (3, 80, 4, 128, 8), (4, 128, 4, 256, 16), (4, 256, 8, 256, 8)
LSTM_TINY, LSTM_XL, LSTM_WIDE = (1, 40, 1, 128, 8), (1, 168, 1, 128, 8), (1, 448, 1, 128, 8)


class Way(NamedTuple):
    """One way to take a step of training; ``parts`` names what is put out of use."""

    precision: str = "float32"
    parts: tuple[str, ...] = ()
    threads: int = 1
    micro_batch: int = 0
    compile: str = "auto"


def put_out_of_use(part: str) -> None:
    """Take one of our own ways out, in this process: what then computes is what stood there before."""
    if part == "one call":
        gpt.fits = lambda *_: False
    elif part == "kernels":
        gpt.runs_compiled = lambda *_: False
        models.language_model.mean_cross_entropy = lambda x, y: F.cross_entropy(x.float().flatten(0, 1), y.flatten())
    elif part == "recurrence":
        lstm.fits = lambda *_: False
    elif part == "crew":
        crew.size = lambda _: 1


def step(arch: str, shape: tuple[int, ...], way: Way) -> Callable[[], object]:
    """A step of training on random tokens."""
    import workflow.scripts.models.language_model  # noqa: F401  # for `put_out_of_use`

    for part in way.parts:
        put_out_of_use(part)
    n_layer, n_embd, n_head, block_size, lanes = shape
    model = models.module_for(arch).Model(ModelConfig(arch, VOCABULARY, block_size, n_layer, n_embd, n_head))
    tokens = np.random.default_rng(0).integers(2, VOCABULARY, lanes * (STEPS * block_size + 1))
    batches = Batches(Split(tokens.astype(np.uint8), np.array([0, len(tokens)])), 0, lanes, block_size, CPU, 0, STEPS)
    stepper = Stepper(
        model, Optimizer(model.param_groups(), 0.1), batches, way.micro_batch or lanes, CPU, way.precision,
        compile=way.compile,
    )  # fmt: skip
    steps = iter(range(1 << 30))
    return lambda: stepper.step(next(steps) % STEPS, 1e-3)


def library_product(rows: int, inputs: int, outputs: int, precision: str) -> Callable[[], object]:
    x, w = (torch.randn(n, inputs).to(getattr(torch, precision)) for n in (rows, outputs))
    return lambda: F.linear(x, w)


@kernel
def tiles(y, x, w, k):
    multiply(y, x, w, k, False)


def our_product(rows: int, inputs: int, outputs: int, precision: str) -> Callable[[], object]:
    """The same by `tile`, of a weight that is laid out for it."""
    x, w = torch.randn(rows, inputs), torch.randn(inputs, outputs)
    y = torch.empty(rows, outputs)
    if precision == "bfloat16":
        x = x.bfloat16().view(torch.int32)
        w = w.bfloat16().view(-1, 2, outputs).transpose(1, 2).contiguous().view(torch.int32)[..., 0].contiguous()
    return lambda: tiles(array(y), array(x), array(w), x.shape[1])


def products_of_seeds(together: bool) -> Callable[[], object]:
    """Products of two seeds' weights with their own rows, at the smallest width: by one call, or by two."""
    x, w = torch.randn(2, 1024, 24), torch.randn(2, 24, 96)
    return (lambda: torch.bmm(x, w)) if together else (lambda: [x[i] @ w[i] for i in range(2)])


def steps_of(arch: str, shape: tuple[int, ...], with_it: Way, without: Way) -> tuple:
    """Both sides of a row on training: name of the shape, and what makes each side."""
    n_layer, n_embd, _, block_size, lanes = shape
    name = f"{arch} {n_layer}x{n_embd}, T={block_size}, B={lanes}, {with_it.precision}"
    return name, (with_it, partial(step, arch, shape, with_it)), (without, partial(step, arch, shape, without))


def ideas(best: str) -> list[tuple[str, bool, tuple]]:
    """(idea, whether it was kept, both sides); ``best`` is the precision that pays here."""
    single, half = Way(), Way(best)
    between, torchs = Way(parts=("one call",)), Way(parts=("one call", "kernels"))
    found = []
    for shape in (TINY, XL, WIDE):
        found.append(("a whole Transformer in one call", True, steps_of("gpt", shape, single, torchs)))
        found.append(("the same, against kernels between library products", True,
                      steps_of("gpt", shape, single, between)))  # fmt: skip
    for shape in (WIDE, WIDER):
        found.append(("our kernels between library products", True,
                      steps_of("gpt", shape, half, half._replace(parts=("kernels",)))))  # fmt: skip
    for shape, way in ((LSTM_TINY, single), (LSTM_XL, single), (LSTM_XL, half), (LSTM_WIDE, half)):
        found.append(("an LSTM in one call", True,
                      steps_of("lstm", shape, way, way._replace(parts=("recurrence",)))))  # fmt: skip
    two = half._replace(threads=2)
    for shape in (WIDE, WIDER):
        found.append(("two threads that meet once a step, against one", True, steps_of("gpt", shape, two, half)))
        found.append(("the same, against torch's two threads", True,
                      steps_of("gpt", shape, two, two._replace(parts=("crew",)))))  # fmt: skip
    # What was dropped.
    for shape in (TINY, XL):
        found.append(("bfloat16 at small widths", False, steps_of("gpt", shape, half, single)))
    found.append(("torch.compile", False, steps_of("gpt", TINY, single._replace(compile="always"), single)))
    found.append(("torch.compile", False, steps_of("gpt", WIDE, half._replace(compile="always"), half)))
    found.append(("passes of 4 windows, to stay in the caches", False,
                  steps_of("gpt", WIDE, half._replace(micro_batch=4), half)))  # fmt: skip
    sizes = "products of 1024 x 24 and 24 x 96"
    found.append(
        (
            "two seeds in one batched product",
            False,
            (sizes, (single, partial(products_of_seeds, True)), (single, partial(products_of_seeds, False))),
        )
    )
    for shape, precision, kept in (((1024, 80, 320), "float32", True), ((4096, 128, 512), best, False)):
        rows, inputs, outputs = shape
        sides = [(Way(precision), partial(make, *shape, precision)) for make in (our_product, library_product)]
        words = f"product of {rows} x {inputs} and {inputs} x {outputs}, {precision}"
        found.append(("our own products in place of the library's", kept, (words, *sides)))
    return found  # fmt: skip


# Operators of a step in bfloat16 by what they do, as torch's profiler names them; all else is the rest.
KINDS = {
    "products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "attention": ("CausalAttention", "CausalAttentionBackward"),
    "norms, nonlinearities and the loss": (
        "AddNorm", "AddNormBackward", "Perceptron", "PerceptronBackward", "CrossEntropy", "CrossEntropyBackward",
        "aten::native_layer_norm", "aten::native_layer_norm_backward",
    ),
    "AdamW": ("aten::_fused_adamw_",),
}  # fmt: skip


def profile(shape: tuple[int, ...], way: Way, steps: int = 10) -> dict[str, float]:
    """Shares of a step's time by `KINDS`, in this process."""
    work = step("gpt", shape, way)
    for _ in range(3):
        work()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            work()
    times = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    shares = {kind: sum(times.get(name, 0) for name in names) for kind, names in KINDS.items()}
    total = sum(times.values())
    return {kind: round(share / total, 3) for kind, share in (shares | {"rest": total - sum(shares.values())}).items()}


def in_new_process(function: Callable, *args: object, threads: int = 1) -> Any:
    """What a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, set_up_cpu, (threads,)) as pool:
        return pool.apply(function, args)


def first_seconds(make: Callable[[], Callable[[], object]]) -> float:
    """How long it takes until the first of something is done, in this process."""
    import time

    start = time.perf_counter()
    make()()
    return time.perf_counter() - start


def main() -> None:
    arguments = cli.parser(__doc__)
    arguments.add_argument("--rounds", type=cli.positive_int, default=10)
    arguments.add_argument("--only", default="", help="rows whose name holds this text; their results are not kept")
    args = arguments.parse_args()
    torch.set_num_threads(1)
    rows = []
    for idea, kept, (name, *sides) in ideas(pick_precision("auto", CPU)):
        if args.only not in f"{idea}: {name}":
            continue
        with ExitStack() as stack:
            asks = [stack.enter_context(timed(partial(set_up_cpu, way.threads), CPU, make)) for way, make in sides]
            found = alternate(*asks, (1, 1), args.rounds)
        starts = (
            [round(in_new_process(first_seconds, make, threads=way.threads), 2) for way, make in sides]
            if "torch.compile" in idea
            else None
        )
        rows.append({"idea": idea, "kept": kept, "name": name, "starts": starts} | found)
        print(f"{idea}: {name}: {found['ratio'][1]:.2f}", flush=True)
    if not args.only:
        products = {kind: product_flops(CPU, kind) for kind in dict.fromkeys(("float32", pick_precision("auto", CPU)))}
        half = Way(pick_precision("auto", CPU))
        profiles = [
            {"name": name, "shares": in_new_process(profile, shape, half)}
            for name, shape in (("gpt 4x128, T=256, B=16", WIDE), ("gpt 4x256, T=256, B=8", WIDER))
            if half.precision == "bfloat16"
        ]
        write_result("ideas", CPU, [], ideas=rows, product_flops=products, profiles=profiles)


if __name__ == "__main__":
    cli.run(main)
