import json
import shutil

import pytest

from workflow.scripts import calc_perplexity
from workflow.scripts.collect_runs import JUDGED, read_curve, read_run
from workflow.scripts.corpus import Corpus


def test_a_row_says_what_its_tokens_are(either, tmp_path):
    """Losses are those of characters, and the characters of a token stand beside them."""
    data, trained = either
    folder = tmp_path / "run"
    shutil.copytree(trained["lstm"], folder)
    calc_perplexity.main(["--checkpoint", str(folder), "--threads", "1"])
    rates = {name: {"rate": 0.5, "ci95": [0, 1], "n": 2} for name in JUDGED}
    (folder / "validity.json").write_text(json.dumps({"rates": rates}))
    row, corpus = read_run(folder, sampled=True), Corpus.load(data)
    assert row["samples"] == 2
    without = read_run(folder, sampled=False)
    assert list(without) == list(row)  # the same columns
    assert (without["samples"], without["valid_rate"]) == (0, None)
    split = corpus.split("test")
    chars = sum(len(corpus.tokenizer.decode(split.tune(i))) + 1 for i in range(split.n_tunes))
    assert row["tokenizer"] == corpus.tokenizer.kind
    assert row["chars_per_token"] == pytest.approx(chars / (len(split.tokens) - split.n_tunes))
    assert (row["chars_per_token"] == 1) == (row["tokenizer"] == "char")
    for loss in (row["train_loss"], row["val_loss"], read_curve(folder, row)["val_loss"].iloc[-1]):
        assert row["test_loss"] == pytest.approx(loss, rel=0.2)  # a loss a token would be twice as large
