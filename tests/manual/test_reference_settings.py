"""What the trials of settings say about why one architecture is behind the other."""

import pytest

from workflow.scripts.evaluation.ablations import in_words
from workflow.scripts.manual.reference_settings import parts_words

SHAPE = {
    "n_layer": 1,
    "n_embd": 8,
    "n_head": 2,
    "block_size": 8,
    "windows_per_step": 1,
    "tokens": 2**21,
    "parts": "all",
}


def entry(group: str, loss: float, base: dict, **other: str) -> dict:
    return {"group": group, "setting": in_words(SHAPE | base | other, SHAPE | base), "best_loss": loss,
            "difference": loss - 0.9, "difference_ci95": [loss - 0.91, loss - 0.89],
            "params_non_embedding": 196608, "tokens": 2**21}  # fmt: skip


@pytest.fixture
def found() -> dict:
    modern, lstm = {"arch": "modern"}, {"arch": "lstm_muon"}
    settings = [
        entry("gpt", 0.92, modern), entry("gpt", 0.93, modern, parts="muon"), entry("gpt", 1.05, modern, arch="gpt"),
        entry("lstm", 0.94, lstm), entry("lstm", 0.93, lstm, arch="lstm"),
    ]  # fmt: skip
    return {"bases": {"gpt": "modern_200k", "lstm": "lstm_muon_200k"}, "settings": settings}


def test_why_the_transformer_is_behind_is_told_from_the_trials(found):
    assert parts_words(found) == (
        "At 2.1M tokens the Transformer of 197k parameters with no part of modern is 0.120 nats behind the LSTM of 197k"
        " with no Muon, and the base of the one is 0.020 nats ahead of that of the other. Beside its base the"
        " Transformer with no part of modern is at +0.1500 [+0.1400, +0.1600], and with Muon alone at"
        " +0.0300 [+0.0200, +0.0400]."
    )


@pytest.mark.parametrize("missing", range(5))
def test_nothing_is_told_of_it_where_one_was_not_tried(found, missing):
    del found["settings"][missing]
    assert parts_words(found) == ""


def test_nor_of_one_architecture(found):
    found["settings"] = [one for one in found["settings"] if one["group"] == "gpt"]
    found["bases"] = {"gpt": "modern_200k"}
    assert parts_words(found) == ""
