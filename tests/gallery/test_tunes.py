"""What the gallery says of a tune is what the judges say, at the characters that it is about."""

import pytest

from tests.gallery.conftest import AIR, HOSTILE, REEL, WRONG
from workflow.scripts.base import measures
from workflow.scripts.gallery.tunes import shown
from workflow.scripts.writing.ladder import evaluate
from workflow.scripts.writing.samples import NOTHING_WHOLE, Drawn, listed_below, write_samples


def marked(tune) -> list[tuple[str, str]]:
    return [(tune.text[mark.start : mark.end], mark.tier) for mark in tune.marks]


def test_a_fault_is_marked_where_it_is():
    assert marked(shown(1, WRONG)) == [("GB AFA", "rhythm"), ("}", "hard")]
    assert shown(1, REEL).marks == []


def test_of_a_tune_that_was_cut_the_rest_is_not_judged():
    tune = shown(1, WRONG.replace("|DF AF|GE D2}|\n", "|(DF AF|GE D"), is_cut=True)
    assert tune.text[: tune.judged_chars].endswith("(DF AF|")
    assert marked(tune) == [("GB AFA", "rhythm")]


def test_of_a_tune_without_a_whole_bar_nothing_is_judged():
    tune = shown(1, "X:1\nK:D\nDF AF", is_cut=True)
    assert [mark.message for mark in tune.marks] == [NOTHING_WHOLE]
    assert tune.steps == {measures.SYNTAX: False, measures.RHYTHM: None}
    assert tune.judged_chars == 0


@pytest.mark.parametrize("prompt_chars", [0, 20])
def test_verdicts_are_those_of_validity_json(tmp_path, prompt_chars):
    """Of whole tunes and of cut ones, and of one that is silent: legal, and no music."""
    texts = [REEL, AIR, WRONG, HOSTILE, "X:1\nM:2/4\nL:1/8\nK:D\nz4|z4|]\n"]
    drawn = [
        Drawn(text[:prompt_chars], text[prompt_chars:end], end is None)
        for text in texts
        for end in (None, len(text) - 9)
    ]
    write_samples(tmp_path, "w-seed0", drawn)
    samples = listed_below(tmp_path)
    verdicts = evaluate(list(samples), 10, {measures.SYNTAX, measures.RHYTHM}, samples=samples)
    for verdict, sample in zip(verdicts, samples.values(), strict=True):
        is_silent = "silent" in verdict["tiers"]
        steps = shown(1, sample.path.read_text(), sample.prompt_chars, not sample.ended).steps
        assert steps[measures.SYNTAX] == (verdict["syntax_valid"] and not is_silent), sample
        assert steps[measures.RHYTHM] == (verdict["bars_correct"] and not is_silent), sample
