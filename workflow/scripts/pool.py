"""Run a function over many tasks in worker processes that may die, with results in the order of the tasks."""

import collections
import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator

from pebble import ProcessPool
from pebble.common import ProcessExpired

from workflow.scripts.cli import InputError


class Pool:
    """Workers for one command; a worker that dies is replaced.

    Use as a context: leaving it ends the workers, whatever they are doing.
    """

    def __init__(self, workers: int):
        self.workers = workers
        # Not forked: the pool's threads may hold locks when a dead worker is replaced, and a fork would keep them held.
        self._pool = ProcessPool(max_workers=workers, context=multiprocessing.get_context("spawn"))

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._pool.close() if kind is None else self._pool.stop()
            self._pool.join()

    def map(
        self, function: Callable, tasks: Iterable[tuple], on_death: Callable[[tuple], object] | None = None
    ) -> Iterator:
        """Yield ``function(*task)`` of each task, in order; tasks are drawn as workers become free.

        Args:
            on_death: gives the result for a task whose worker died; without it, that ends the run.

        Raises:
            InputError: a worker died.
        """
        running: collections.deque = collections.deque()
        tasks = iter(tasks)
        while True:
            while len(running) < self.workers + 2 and (task := next(tasks, None)) is not None:
                running.append((task, self._pool.schedule(function, args=task)))
            if not running:
                return
            task, future = running.popleft()
            try:
                result = future.result()
            except ProcessExpired as error:
                if on_death is None:
                    raise InputError(f"a worker process died ({error}); is there too little memory?") from error
                result = on_death(task)
            yield result

    def survives(self, function: Callable, task: tuple) -> bool:
        """Whether a worker lives through a task."""
        try:
            self._pool.schedule(function, args=task).result()
        except ProcessExpired:
            return False
        return True
