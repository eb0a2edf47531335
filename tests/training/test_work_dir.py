"""States of unfinished runs in a folder of their own: which is where, what goes on from it, and what is said if not."""

import signal
import time

import pytest

from tests.conftest import start
from tests.training.small_runs import SMALL, train
from workflow.scripts.models.stored import WEIGHTS
from workflow.scripts.training.bill import Totals
from workflow.scripts.training.place import Asked, place_of
from workflow.scripts.training.plan_words import misfits
from workflow.scripts.training.run import STATE

TOKENS = (8192, 65536)


def stop_once(condition, corpus_dir, folders, log, *flags):
    """Begin runs that save every state, and send them SIGTERM when a condition holds, before their end."""
    with open(log, "w") as out:
        process = start("train", *SMALL, "--checkpoint_seconds", 0, "--tokens", *TOKENS, "--data_dir", corpus_dir,
                        "--output_dir", *folders, *flags, stdout=out, stderr=out)  # fmt: skip
    while not condition():
        assert process.poll() is None, log.read_text()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM, log.read_text()


def test_states_go_to_the_work_dir_and_runs_of_two_studies_never_meet_there(corpus_dir, tmp_path):
    """Stopped with its state in the work_dir, then told of another one; then the first state is beside the results."""
    assert train(corpus_dir, [tmp_path / "alone" / str(n) for n in TOKENS], tokens=TOKENS).returncode == 0
    work, folders, log = tmp_path / "work", [tmp_path / "a" / str(n) for n in TOKENS], tmp_path / "log"
    state, of_another = (work / str(tmp_path).lstrip("/") / study / str(TOKENS[1]) / STATE for study in "ab")
    of_another.parent.mkdir(parents=True)
    of_another.write_bytes(b"of another study")
    stop_once(state.exists, corpus_dir, folders, log, "--work_dir", work)
    assert not list((tmp_path / "a").rglob(STATE))

    elsewhere = tmp_path / "elsewhere" / str(folders[1]).lstrip("/") / STATE
    stop_once(elsewhere.exists, corpus_dir, folders, log, "--work_dir", tmp_path / "elsewhere")
    assert f"this run was begun, and {elsewhere} does not exist: starting from step 0" in log.read_text()

    state.rename(folders[1] / STATE)
    done = train(corpus_dir, folders, "--work_dir", work, tokens=TOKENS)
    assert done.returncode == 0, done.stderr
    assert "resuming from step" in done.stdout
    for folder, tokens in zip(folders, TOKENS, strict=True):
        assert (folder / WEIGHTS).read_bytes() == (tmp_path / "alone" / str(tokens) / WEIGHTS).read_bytes()
    assert list(work.rglob(STATE)) == [of_another]
    assert not list((tmp_path / "a").rglob(STATE))


@pytest.mark.parametrize(
    ("free", "found"),
    [
        ((600, 200), []),
        ((600, 199), ["200 MB of work_dir are needed, and 199 MB are free"]),
        ((599, 200), ["600 MB of disk are needed, and 599 MB are free"]),
    ],
)
def test_states_need_room_where_they_go(free, found):
    totals = {"suite": Totals(1, 1, 1, 9.0, 1.0, 9.0, disk_mb=600, unfinished_mb=200)}
    totals["targets"] = Totals(0, 0, 0, 0.0, 0.0, 0.0, disk_mb=0, unfinished_mb=0)
    place, _ = place_of({"precision": "auto"}, Asked("a100"))
    assert misfits([], totals, place, 1, None, *free) == found
