"""Workers that die, are killed or are left while they work."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.pool import Pool

ROOT = Path(__file__).parents[2]  # not from conftest: each worker would import all that it imports


def square(x: int) -> int:
    return x * x


def nap(x: int) -> int:
    time.sleep(0.002)
    return x


def slow_first(x: int) -> int:
    time.sleep(0.3 if x == 0 else 0)
    return x


def die_of(x: int, poison: int, how: str) -> int:
    if x == poison:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(3)
    return x


def raise_for(x: int, kind: type[Exception]) -> int:
    if x == 2:
        raise kind("so it is")
    return x


def fill_the_disk(x: int) -> None:
    raise OSError(28, "No space left on device")


def pid_of() -> int:
    time.sleep(0.05)
    return os.getpid()


def children(pid: int) -> list[int]:
    """Workers of a process."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it is gone, or as good as gone
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


@pytest.fixture(scope="module")
def pool():
    with Pool(2) as pool:
        yield pool


def test_results_come_in_the_order_of_the_tasks(pool):
    assert list(pool.map(slow_first, ((i,) for i in range(20)))) == list(range(20))
    assert list(pool.map(square, [])) == []


class Load:
    """A task's data, of which we count how many there are."""

    alive = 0

    def __init__(self):
        Load.alive += 1

    def __del__(self):
        Load.alive -= 1


def weigh(load: Load) -> int:
    return len(type(load).__name__)


def test_few_tasks_are_in_memory_at_a_time(pool):
    most = 0
    for found in pool.map(weigh, ((Load(),) for _ in range(50))):
        assert found == 4
        most = max(most, Load.alive)
    assert 1 <= most <= pool.workers + 2
    assert Load.alive == 0


def test_a_slow_task_stops_nobody_for_long(pool):
    drawn = []
    found = pool.map(slow_first, ((drawn.append(i) or i,) for i in range(200)))
    assert next(found) == 0
    assert 20 < len(drawn) < 100  # others went on, but what they give is held only so far
    assert list(found) == list(range(1, 200))


def test_whoever_leaves_a_map_leaves_a_pool_that_works(pool):
    found = pool.map(slow_first, ((i,) for i in range(9)))
    next(found)
    found.close()
    assert list(pool.map(square, [(2,), (3,)])) == [4, 9]


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_worker_that_dies_costs_its_own_task_alone(pool, how):
    tasks = [(i, 3, how) for i in range(8)]
    found = list(pool.map(die_of, tasks, on_failure=lambda task: ("lost", *task)))
    assert found == [0, 1, 2, ("lost", 3, 3, how), 4, 5, 6, 7]
    assert pool.failure(die_of, tasks[3]) == ("worker_died", "the process that read it died")
    assert pool.failure(die_of, tasks[4]) is None
    with pytest.raises(InputError, match=r"a worker died \(exit status (-9|3)\); is there"):
        list(pool.map(die_of, tasks))
    assert list(pool.map(square, [(2,), (3,)])) == [4, 9]


def test_an_error_nobody_thought_of_can_be_handled_or_shows(pool):
    tasks = [(i, ZeroDivisionError) for i in range(5)]
    assert list(pool.map(raise_for, tasks, on_failure=lambda task: -1)) == [0, 1, -1, 3, 4]
    assert pool.failure(raise_for, tasks[2]) == ("worker_failed", "ZeroDivisionError: so it is")
    with pytest.raises(ZeroDivisionError):
        list(pool.map(raise_for, tasks))


@pytest.mark.parametrize("kind", [InputError, OSError])
def test_what_is_the_users_or_the_systems_is_not_the_tunes_fault(pool, kind):
    with pytest.raises(kind):
        list(pool.map(raise_for, [(2, kind)], on_failure=lambda task: -1))
    with pytest.raises(kind):
        pool.failure(raise_for, (2, kind))
    with pytest.raises(OSError, match="No space left"):
        list(pool.map(fill_the_disk, [(1,)]))


def test_workers_that_are_killed_while_idle_are_replaced(pool):
    pids = set(pool.map(pid_of, [()] * 8))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # Whoever was given to a dead worker is asked again.
    found = list(pool.map(square, ((i,) for i in range(10)), on_failure=lambda task: square(*task)))
    assert found == [i * i for i in range(10)]
    assert pids.isdisjoint(pool.map(pid_of, [()] * 4))


def test_a_killer_at_large_costs_time_alone(pool):
    """Workers are killed at any moment: as they wait, work or answer."""
    stop = threading.Event()
    killed = []

    def kill_some():
        while not stop.wait(0.03):
            for pid in children(os.getpid()):
                if len(killed) < 12:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        found = list(pool.map(nap, ((i,) for i in range(500)), on_failure=lambda task: nap(*task)))
    finally:
        stop.set()
        killer.join()
    assert found == list(range(500))
    assert killed


ENDLESS = """
import time
from workflow.scripts.machine.pool import Pool
if __name__ == "__main__":
    try:
        with Pool(2) as pool:
            for _ in pool.map(time.sleep, [(0,), (1000,), (1000,)]):
                print("one", flush=True)
                {then}
    except KeyError:
        print("left", flush=True)
"""


def alive(pids: list[int]) -> list[int]:
    return [
        pid for pid in pids if os.path.exists(f"/proc/{pid}") and b") Z " not in open(f"/proc/{pid}/stat", "rb").read()
    ]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")
@pytest.mark.parametrize(("then", "end"), [("raise KeyError", None), ("time.sleep(1000)", signal.SIGKILL)])
def test_no_worker_outlives_the_pool_that_is_left(tmp_path, then, end):
    (tmp_path / "endless.py").write_text(ENDLESS.format(then=then))
    process = subprocess.Popen(
        [sys.executable, tmp_path / "endless.py"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "one\n"
    workers = children(process.pid)
    if end:
        assert len(workers) == 2
        process.send_signal(end)
    assert process.wait(timeout=30) == (-end if end else 0)
    if end:
        for pid in alive(workers):  # a killed parent cannot stop the tasks under way; they are harmless, see shards
            os.kill(pid, signal.SIGKILL)
    else:
        assert process.stdout.readline() == "left\n"
        assert not alive(workers)
    process.stdout.close()
