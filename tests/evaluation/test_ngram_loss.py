"""The losses of n-grams are those of a proper distribution, and what the training text says."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import command
from workflow.scripts.base.measures import START
from workflow.scripts.evaluation.ngram_loss import losses, measure

LETTERS = "abcd"
ORDERS = (1, 2, 3, 6)


@pytest.fixture(scope="module")
def training() -> list[str]:
    """Tunes in which a letter hangs on the two before it."""
    rng = np.random.default_rng(0)
    favourite = {a + b: str(rng.choice(list(LETTERS))) for a in LETTERS for b in LETTERS}
    tunes = []
    for length in rng.integers(20, 60, 80):
        tune = "ab"
        while len(tune) < length:
            tune += favourite[tune[-2:]] if rng.random() < 0.8 else str(rng.choice(list(LETTERS)))
        tunes.append(tune)
    return tunes


@pytest.mark.parametrize("context", ["", "a", "ab", "abcabc", "bbbb"])
def test_probabilities_of_all_that_may_follow_sum_to_one(training, context):
    """After what was seen and what was not; each is that of the last character of a tune, or of its end."""
    tunes = [context + letter for letter in LETTERS] + [context]
    lengths = np.array([len(tune) + 1 for tune in tunes])
    at = np.cumsum(lengths) - lengths + len(context)
    for _, nats in losses(training, tunes, ORDERS):
        assert (nats[at] < np.inf).all()
        assert np.exp(-nats[at]).sum() == pytest.approx(1)


def test_a_unigram_without_rare_letters_loses_what_is_taken_alone():
    """Counts 60, 30 and 10 (ends): each loses 1.5, of which all three get a third."""
    training = ["aaabbaaab"] * 10
    counts = {"a": 60, "b": 30, "": 10}
    for letter, count in counts.items():
        ((_, nats),) = losses(training, [letter] if letter else [""], [1])
        assert np.exp(-nats[0]) == pytest.approx((count - 1.5 + 4.5 / 3) / 100)


def test_an_order_finds_what_hangs_on_so_many_letters(training):
    """Half of the tunes are held out: two letters of context help, three more do not hurt much."""
    found = measure(training[:40], training[40:], ORDERS).set_index("order")
    assert found["loss"][3] < 0.9 * found["loss"][2]
    assert found["loss"][6] < 1.2 * found["loss"][3]
    assert found["perplexity"].tolist() == pytest.approx(np.exp(found["loss"]).tolist())
    assert (found["loss_low"] < found["loss"]).all()
    assert (found["loss"] < found["loss_high"]).all()
    assert found["chars"].unique().tolist() == [sum(map(len, training[40:])) + 40]


def test_the_loss_without_the_start_is_of_the_characters_after_it(training):
    held_out = ["c" * START + "ab", "a"]
    row = measure(training, held_out, [2]).iloc[0]
    ((_, nats),) = losses(training, held_out, [2])
    assert row["loss"] == pytest.approx(nats.mean())
    assert row["loss_without_start"] == pytest.approx(nats[START : START + 3].mean())


def test_the_command_writes_a_row_for_each_order(corpus_dir, tmp_path):
    done = command("calc_ngram_loss", "--data_dir", corpus_dir, "--orders", 4, 2, "--output", tmp_path / "b.csv")
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "b.csv")
    assert rows["writer"].tolist() == ["ngram2", "ngram4"]
    assert rows["loss"].between(0.5, 4).all()
    assert f"4-gram: {rows['loss'][1]:.4f} nats a character" in done.stdout
