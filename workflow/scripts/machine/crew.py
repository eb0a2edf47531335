"""Threads of one process that each take their own share of a step, in place of torch's that share every product.

Torch's threads meet after every operation, some hundred times a step; where one of them has to wait for its core, all
do, and a busy machine computes many times slower. These meet once a step, and what lies between products is shared too.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def size(device: torch.device) -> int:
    """How many threads a crew on this device has: as many as torch was given, on a CPU."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """What ``work`` makes of each item, in their order, by so many threads; by one, on the spot.

    Whatever an item raises is raised here, once no thread is at work any more.
    """
    if threads == 1 or len(items) == 1:
        yield from map(work, items)
        return
    futures = [_pool(threads).submit(work, item) for item in items]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """The threads, each of which computes alone; they wait for more when they have nothing to do."""
    return ThreadPoolExecutor(threads, "crew", initializer=_alone)


def _alone() -> None:
    """Have this thread compute alone.

    A thread takes over what torch was told last, by whichever thread, when it first asks: so it asks first.
    """
    torch.get_num_threads()
    torch.set_num_threads(1)
