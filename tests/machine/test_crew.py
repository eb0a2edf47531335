"""Threads that share the items of a step."""

import threading

import pytest
import torch

from workflow.scripts.machine import crew


def test_a_crew_gives_results_in_order_and_computes_at_once():
    meeting = threading.Barrier(2, timeout=60)  # passed only by two at a time

    def work(item):
        meeting.wait()
        return item, torch.get_num_threads()

    assert list(crew.side_by_side(work, range(6), 2)) == [(item, 1) for item in range(6)]


def test_a_thread_computes_alone_whatever_torch_is_told_before_its_first_item():
    """Five threads, as no other test has: they begin, and then torch is given more."""
    before, meeting = torch.get_num_threads(), threading.Barrier(5, timeout=60)
    list(crew.side_by_side(lambda item: meeting.wait(), range(5), 5))
    try:
        torch.set_num_threads(3)
        told = list(crew.side_by_side(lambda item: (meeting.wait(), torch.get_num_threads()), range(5), 5))
    finally:
        torch.set_num_threads(before)
    assert [count for _, count in told] == [1] * 5


def test_one_thread_works_on_the_spot():
    here = threading.get_ident()
    assert list(crew.side_by_side(lambda item: (item, threading.get_ident()), "ab", 1)) == [("a", here), ("b", here)]


def test_an_error_is_raised_once_nobody_is_at_work_any_more():
    begun, done = [], []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("broken")
        threading.Event().wait(0.05)
        done.append(item)

    with pytest.raises(ValueError, match="broken"):
        list(crew.side_by_side(work, range(9), 2))
    assert sorted([*done, 1]) == sorted(begun)


def test_a_crew_is_as_large_as_torch_was_told_and_only_on_a_cpu():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert (crew.size(torch.device("cpu")), crew.size(torch.device("cuda"))) == (3, 1)
    finally:
        torch.set_num_threads(before)
