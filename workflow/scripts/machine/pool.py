"""Run a function over many tasks in worker processes that may die, with results in the order of the tasks.

Each worker has a pipe of its own and nothing is shared, so that one that is killed at any moment, even while it waits
or answers, takes nothing but its own task with it. (The pools of `concurrent.futures` end with the first dead worker;
those of `multiprocessing` and pebble can wait for ever for a lock that it held.)
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from workflow.scripts.base.errors import InputError

WAITING = 16  # results for each worker that may wait for an earlier one, so that one slow task does not stop all


class WorkerDiedError(Exception):
    """A worker process ended before its task."""


class Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


def serve(pipe: Connection) -> None:
    """What a worker does: one task after another, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to deal with
    os.set_inheritable(pipe.fileno(), False)  # a program that we run would hold it open
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            function, task = pipe.recv()
            result, failure = None, None
            try:
                result = function(*task)
            except Exception as error:
                failure = portable(error)
            pipe.send((result, failure))


def portable(error: Exception) -> Exception:
    """An error that can be sent, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"in a worker:\n{trace}")
    return error


class Pool:
    """Workers for one command; they start when there is something to do, and one that dies is replaced.

    Use as a context: leaving it ends the workers, whatever they are doing. A function and its tasks are pickled on
    their way to a worker, and so are results on their way back.
    """

    def __init__(self, workers: int):
        self.workers = workers
        # Not forked: a fork copies locks as other threads (of numpy, say) hold them.
        self._context = multiprocessing.get_context("spawn")
        self._living: set[Worker] = set()
        self._idle: list[Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._idle.clear()
        for worker in tuple(self._living):
            self._end(worker)

    def _end(self, worker: Worker) -> None:
        self._living.discard(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def _start(self, function: Callable, task: tuple) -> Worker:
        """Give a task to an idle worker, or to a new one; the worker that has it."""
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.pipe.send((function, task))
                return worker
            except ConnectionError:  # it died meanwhile
                self._end(worker)
        pipe, other = self._context.Pipe()
        worker = Worker(self._context.Process(target=serve, args=(other,), daemon=True), pipe)
        worker.process.start()
        self._living.add(worker)
        other.close()
        with contextlib.suppress(ConnectionError):  # if it died of this, `_result` will say so
            worker.pipe.send((function, task))
        return worker

    def _result(self, worker: Worker) -> object:
        """Wait for a worker's result.

        Raises:
            WorkerDiedError: it died.
            Exception: whatever the function raised.
        """
        try:
            result, error = worker.pipe.recv()
        except (EOFError, ConnectionError) as lost:
            self._end(worker)
            raise WorkerDiedError(f"exit status {worker.process.exitcode}") from lost
        self._idle.append(worker)
        if error is not None:
            raise error
        return result

    def map(
        self, function: Callable, tasks: Iterable[tuple], on_failure: Callable[[tuple], object] | None = None
    ) -> Iterator:
        """Yield ``function(*task)`` of each task, in order; tasks are drawn as workers become free.

        Args:
            on_failure: gives the result for a task whose worker died, or met an error that is neither the user's
                nor the system's; without it, that ends the run.

        Raises:
            InputError: a worker died, and there is no ``on_failure``.
            Exception: whatever the function raised, likewise; InputError and OSError always.
        """
        drawn = enumerate(tasks)
        following = next(drawn, None)  # drawn while the workers work
        busy: dict[int, tuple[Worker, tuple]] = {}  # by the task's number
        done: dict[int, object] = {}
        at = 0
        try:
            while True:
                while following and len(busy) < self.workers and len(done) < WAITING * self.workers:
                    number, task = following
                    busy[number] = self._start(function, task), task
                    following = next(drawn, None)
                if at in done:
                    yield done.pop(at)
                    at += 1
                    continue
                if not busy:
                    return
                ready = wait([worker.pipe for worker, _ in busy.values()])
                for number in [number for number, (worker, _) in busy.items() if worker.pipe in ready]:
                    worker, task = busy.pop(number)
                    done[number] = self._result_or(worker, task, on_failure)
        finally:
            for worker, _ in busy.values():
                self._end(worker)

    def _result_or(self, worker: Worker, task: tuple, on_failure: Callable[[tuple], object] | None) -> object:
        """A worker's result, or what ``on_failure`` gives for its task; see `map`."""
        try:
            return self._result(worker)
        except (InputError, OSError):
            raise
        except Exception as error:
            if on_failure is not None:
                return on_failure(task)
            if isinstance(error, WorkerDiedError):
                raise InputError(f"a worker died ({error}); is there too little memory?") from error
            raise

    def failure(self, function: Callable, task: tuple) -> tuple[str, str] | None:
        """(reason, detail) of why one task cannot be done, or None if it was.

        Raises:
            InputError, OSError: from the function.
        """
        try:
            self._result(self._start(function, task))
        except (InputError, OSError):
            raise
        except WorkerDiedError:
            return "worker_died", "the process that read it died"
        except Exception as error:  # of a kind that nobody has thought of; no tune may stop a run
            return "worker_failed", f"{type(error).__name__}: {error}"[:200]
        return None
