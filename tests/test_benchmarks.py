"""What the benchmarks claim is what their files hold; they themselves run for minutes and are not run here."""

import json
import multiprocessing
import time

import torch

from benchmarks import against, speed_page, train, write_readme

CPU = torch.device("cpu")


def test_the_readme_says_what_the_results_hold():
    assert write_readme.README.read_text(encoding="utf-8") == write_readme.readme()
    assert speed_page.PAGE.read_text(encoding="utf-8") == speed_page.page()


def test_ratios_are_taken_within_a_round():
    """Where the machine is twice as slow in one round, both rates fall and the ratio stays."""
    ours, theirs = iter([1.0, 2.0, 1.0]), iter([3.0, 6.0, 3.0])
    row = against.alternate(lambda: next(ours), lambda: next(theirs), (10, 10), 3)
    assert row["ratio"] == [3.0, 3.0, 3.0]
    assert row["ours"][1] == 10
    assert row["rounds"] == 3


def naps(seconds):
    return lambda: time.sleep(seconds)


def test_work_is_timed_in_a_process_of_its_own():
    with against.timed(list, CPU, naps, 0.05) as ask:
        assert multiprocessing.active_children()
        assert all(0.05 <= ask() < 5 for _ in range(2))
    assert not multiprocessing.active_children()


def test_a_result_names_its_machine_and_no_path(tmp_path, monkeypatch):
    monkeypatch.setattr(against, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["train", "--nanogpt", str(tmp_path), "--rounds", "3"])
    against.write_result("train", CPU, [])
    text = (tmp_path / f"train-{against.kind(CPU)}.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["command"] == "python -m benchmarks.train --rounds 3"


def test_a_command_names_no_folder_and_no_commit(tmp_path, monkeypatch):
    words = ["--nanogpt", "nowhere/yet", "--device", "cuda", "--output", "new", "--commit", "1234abc", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["train", *words, "--only", "gpt 5x128,"])
    assert against.command_line("train") == "python -m benchmarks.train --device cuda --only 'gpt 5x128,'"


def test_rows_without_a_result_wait_and_those_with_one_show_it(tmp_path, monkeypatch):
    monkeypatch.setattr(write_readme, "RESULTS", tmp_path)
    assert write_readme.readme().count("Not measured") == 5
    row = {
        "name": "x",
        "against": "y",
        "unit": "tokens/s",
        "ours": [8, 9, 1e4],
        "baseline": [2, 3, 4],
        "ratio": [2, 3, 4],
    }
    head = {"machine": "M", "threads": 1, "torch": "t", "date": "d", "command": "c"}
    (tmp_path / "perplexity-cuda.json").write_text(json.dumps(head | {"rows": [row]}))
    page = write_readme.readme()
    assert page.count("Not measured") == 4
    assert "| x | 9 (8 to 10,000) tokens/s | 3 (2 to 4) | y | **3.00 (2.00 to 4.00)** | | |" in page


def test_the_bound_of_a_ratio_is_what_full_use_would_give():
    row = {"name": "x", "against": "y", "unit": "u", "ours": [1, 2, 3], "baseline": [1, 1, 1], "ratio": [1, 2, 3]}
    used = {"utilisation": {"ours": 0.5, "baseline": 0.25}}
    head = {"machine": "M", "threads": 1, "torch": "t", "date": "d"}
    assert write_readme.table(head | {"rows": [row | used]}).endswith("| **2.00 (1.00 to 3.00)** | 4.0 | 50%, 25% |")


def test_no_round_begins_when_the_time_is_over():
    row = against.alternate(lambda: 1.0, lambda: 1.0, (1, 1), 100, most_seconds=0)
    assert row["rounds"] == against.FEWEST


def test_our_step_trains():
    config, lanes, at_once = train.on_cpu()[2]
    step = train.our_step(config, lanes, at_once, CPU, "float32")
    losses = [float(step()[0]) for _ in range(3 * train.STEPS)]
    assert losses[-1] < losses[0]
