"""A program that is to end in time does so, and this machine knows itself."""

import os
import signal
import threading

import pytest

from workflow.scripts.carrying import machine

SLEEPER = "import signal, sys, time\n{on_term}\nprint('here', flush=True)\ntime.sleep(60)\n"
POLITE = "signal.signal(signal.SIGTERM, lambda *_: (print('state is saved'), sys.exit(143)))"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize(("on_term", "said"), [(POLITE, "here\nstate is saved\n"), (DEAF, "here\n")])
def test_it_is_asked_to_end_and_then_made_to(tmp_path, monkeypatch, on_term, said):
    monkeypatch.setattr(machine, "TO_DIE", 0.5)
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(on_term=on_term))
    clock = machine.Clock(4)
    log = tmp_path / "logs" / "log"
    assert machine.run(["sleeper"], tmp_path, tmp_path, log, clock, 1.5) is None
    assert log.read_text() == said
    assert clock.passed < 5


def test_a_signal_ends_it_and_the_status_of_others_is_told(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(on_term=POLITE))
    (tmp_path / "fails.py").write_text("raise SystemExit(7)")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    clock = machine.Clock(60)
    clock.listen()
    try:
        assert machine.run(["fails"], tmp_path, tmp_path, tmp_path / "log", clock, 1) == 7
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert machine.run(["sleeper"], tmp_path, tmp_path, tmp_path / "log", clock, 30) is None
        assert clock.left == 0
        assert clock.passed < 30
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)


def test_a_machine_says_what_it_is():
    facts = machine.facts()
    assert facts["torch"][0].isdigit()
    assert facts["cpus"] == os.cpu_count()
    assert isinstance(facts["gpus"], list)
