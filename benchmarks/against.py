"""What the benchmarks of training and sampling share: nanoGPT as it is, two things timed turn by turn, a result's file.

nanoGPT is loaded from the user's own clone (https://github.com/karpathy/nanoGPT); nothing of it is kept here.
"""

import argparse
import contextlib
import importlib.util
import io
import multiprocessing
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.machine.device import give_back_memory, pick_precision
from workflow.scripts.models import ModelConfig

RESULTS = Path(__file__).with_name("results")
VOCABULARY = 121
OF_MACHINE = ("--nanogpt", "--output", "--commit")  # options whose value tells nobody else anything
FEWEST = 3  # rounds, however long one takes
WARM_SECONDS = 5.0  # of unmeasured work, after which no more is begun


def parser(doc: str, rounds: int) -> argparse.ArgumentParser:
    parser = cli.parser(doc)
    parser.add_argument("--nanogpt", type=Path, required=True, help="folder of a clone of nanoGPT")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=cli.positive_int, default=1, help="CPU threads")
    parser.add_argument("--rounds", type=cli.positive_int, default=rounds)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    return parser


def keep_rows(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a benchmark that keeps each row as soon as it is measured (`kept.Kept`)."""
    group = parser.add_argument_group("what is kept")
    group.add_argument("--output", type=Path, default=RESULTS, help="folder of the result")
    group.add_argument("--commit", default="", help="of this tree (default: git is asked)")
    group.add_argument("--skip_measured", action="store_true", help="leave out rows of this code, machine and torch")
    group.add_argument("--seconds", type=cli.positive_float, help="begin no row after so many seconds")


def load_nanogpt(clone: Path) -> ModuleType:
    """The module model.py of a clone of nanoGPT."""
    path = clone / "model.py"
    if not path.exists():
        raise InputError(f"{clone} is not a clone of nanoGPT: it has no model.py")
    spec = importlib.util.spec_from_file_location("nanogpt_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def nanogpt_model(clone: Path, config: ModelConfig) -> nn.Module:
    """nanoGPT's model of the same shape, without biases and dropout."""
    nanogpt = load_nanogpt(clone)
    shape = nanogpt.GPTConfig(
        block_size=config.block_size,
        vocab_size=config.vocab_size,
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_embd=config.n_embd,
        dropout=0.0,
        bias=False,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        return nanogpt.GPT(shape)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return statistics.quantiles(values, n=4) if len(values) > 1 else values * 3


@contextlib.contextmanager
def timed(set_up: Callable[[], None], device: torch.device, make: Callable, *args) -> Iterator[Callable[[], float]]:
    """Seconds of the work that ``make(*args)`` gives, each time it is asked for.

    In a process of its own, with its own ``set_up``: how a process keeps its memory changes the time of a step.

    Raises:
        InputError: the process ended before it could say; what was wrong it has printed.
    """
    context = multiprocessing.get_context("spawn")
    pipe, end = context.Pipe()
    process = context.Process(target=serve, args=(end, set_up, device, make, args))
    process.start()
    end.close()

    def ask() -> float:
        pipe.send(None)
        return pipe.recv()

    try:
        pipe.recv()
        yield ask
    except (EOFError, BrokenPipeError) as error:
        raise InputError("the process that measures ended: see what it printed above") from error
    finally:
        pipe.close()
        process.join()


def serve(pipe: Connection, set_up: Callable[[], None], device: torch.device, make: Callable, args: tuple) -> None:
    """Make the work, do it unmeasured, then once for every word that comes, and say how long it took."""
    set_up()
    torch.manual_seed(0)
    work = make(*args)
    begun = time.monotonic()
    for _ in range(3 if device.type == "cuda" else 1):  # steps alone: the first compiles, the second records a graph
        work()
        if time.monotonic() - begun > WARM_SECONDS:
            break
    pipe.send(None)
    with contextlib.suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(seconds(work, device))


def alternate(
    ours: Callable[[], float],
    theirs: Callable[[], float],
    work: tuple[int, int],
    rounds: int,
    most_seconds: float = float("inf"),
) -> dict:
    """Time the two turn by turn, and say how many units a second each does and how much faster ours is.

    Args:
        ours, theirs: give the seconds of one turn.
        work: units (tokens, characters) that one turn of each does.
        most_seconds: after which no round begins, but for the first `FEWEST`.

    Returns:
        quartiles of both rates and of the ratio within a round, so that a drift of the machine cancels; and how many
        rounds there were.
    """
    pairs: list[tuple[float, float]] = []
    begun = time.monotonic()
    while len(pairs) < rounds and (len(pairs) < FEWEST or time.monotonic() - begun < most_seconds):
        pairs.append((work[0] / ours(), work[1] / theirs()))
    return {
        "ours": quartiles([a for a, _ in pairs]),
        "baseline": quartiles([b for _, b in pairs]),
        "ratio": quartiles([a / b for a, b in pairs]),
        "rounds": len(pairs),
    }


def product_flops(device: torch.device, precision: str, rounds: int = 10) -> float:
    """FLOP a second of a large matrix product: what a model's use of the hardware is measured against."""
    n = 8192 if device.type == "cuda" else 2048
    taken = product_seconds(n, device, precision, rounds)
    give_back_memory(device)  # the next row may need all of a GPU
    return 2 * n**3 / statistics.median(taken)


def product_seconds(n: int, device: torch.device, precision: str, rounds: int) -> list[float]:
    """Seconds of each of some products of two n x n matrices."""
    a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    a @ b
    return [seconds(lambda: a @ b, device) for _ in range(rounds)]


def machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":")[1].strip()
                break
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def kind(device: torch.device) -> str:
    """What results are kept apart by: GPUs, CPUs that multiply bfloat16, and those that do not."""
    return device.type if device.type == "cuda" else f"cpu-{pick_precision('auto', device)}"


def command_line(name: str) -> str:
    """The command that runs, without what is of this machine alone: folders, and the commit."""
    words = sys.argv[1:]
    of_machine = {at + more for at, word in enumerate(words) if word in OF_MACHINE for more in (0, 1)}
    options = [word for at, word in enumerate(words) if at not in of_machine and not Path(word).is_dir()]
    return shlex.join(["python", "-m", f"benchmarks.{name}", *options])


def write_result(name: str, device: torch.device, rows: list[dict], by_kind: bool = True, **more: object) -> None:
    """Write benchmarks/results/<name>-<kind of device>.json: rows, and what ``more`` a benchmark found.

    Not ``by_kind`` where what is found does not depend on the machine: then its name says the type of device alone.
    """
    path = RESULTS / f"{name}-{kind(device) if by_kind else device.type}.json"
    head = {
        "machine": machine(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "command": command_line(name),
    }
    write_json(path, head | {"rows": rows} | more)
    print(f"wrote {path.name}: now run python -m benchmarks.write_readme")
