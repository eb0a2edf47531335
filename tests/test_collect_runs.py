import shutil

import pandas as pd
import pytest

from workflow.scripts import calc_perplexity
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.tables import with_kept
from workflow.scripts.collect_runs import require_one_corpus
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.runs_table import FIGURES, RATES, read_curve, read_run, read_strata, with_writing


def test_a_row_says_what_its_tokens_are(either, tmp_path):
    """Losses are those of characters, and the row has the characters of a token, too."""
    data, trained = either
    folder = tmp_path / "run"
    shutil.copytree(trained["lstm"], folder)
    calc_perplexity.main(["--checkpoint", str(folder), "--threads", "1"])
    row, corpus = read_run(folder), Corpus.load(data)
    split = corpus.split("test")
    chars = sum(len(corpus.tokenizer.decode(split.tune(i))) + 1 for i in range(split.n_tunes))
    assert row["tokenizer"] == corpus.tokenizer.kind
    assert row["chars_per_token"] == pytest.approx(chars / (len(split.tokens) - split.n_tunes))
    assert (row["chars_per_token"] == 1) == (row["tokenizer"] == "char")
    for loss in (row["train_loss"], row["val_loss"], read_curve(folder, row)["val_loss"].iloc[-1]):
        assert row["test_loss"] == pytest.approx(loss, rel=0.2)  # a loss a token would be twice as large
    strata = pd.DataFrame(read_strata(folder, row))
    for _, kinds in strata.groupby("by"):
        assert kinds["chars"].sum() == chars
        assert (kinds["loss"] * kinds["chars"]).sum() / chars == pytest.approx(row["test_loss"])
    assert set(strata["by"]) == {"position", "source", "compressibility", "voices", "length"}


def test_a_run_has_what_its_own_tunes_are_like_and_one_that_wrote_none_has_nothing():
    runs = pd.DataFrame(
        {"model": ["a", "a", "b"], "tokens": [1, 2, 2], "seed": [0, 0, 1], "test_loss": [3.0, 2.0, 1.0]}
    )
    rates = {f"{name}_{part}": 0.25 for name in RATES for part in ("rate", "low", "high")}
    like = {"arch": "gpt", "samples": 7, **rates, **dict.fromkeys(FIGURES, 0.5)}
    writing = pd.DataFrame(
        [
            {"writer": "a", "tokens": 2, "seed": 0, "prompt": None} | like,
            {"writer": "a", "tokens": 2, "seed": 0, "prompt": "duet"} | like | {"samples": 9},
            {"writer": "b", "tokens": 2, "seed": 1, "prompt": None} | like | {"copied_rate": 0.75},
            {"writer": "real", "tokens": None, "seed": None, "prompt": None} | like | {"arch": None},
        ]
    ).astype({"tokens": "Int64", "seed": "Int64"})
    joined = with_writing(runs, writing)
    assert joined["samples"].tolist() == [0, 7, 7]
    assert joined["test_loss"].tolist() == [3.0, 2.0, 1.0]
    assert joined["copied_rate"].isna().tolist() == [True, False, False]
    assert joined["copied_rate"].iloc[2] == 0.75


def test_rows_of_other_runs_are_kept_as_they_were_written(tmp_path):
    """Numbers keep their digits, and a run that is there again has its new row alone."""
    earlier = "model,tokens,seed,test_loss,note\na,8,0,1.10,\nb,8,0,0.9000000000000001,x\n"
    (tmp_path / "runs.csv").write_text(earlier)
    new = pd.DataFrame({"model": ["b", "c"], "tokens": [8, 8], "seed": [0, 0], "test_loss": [0.5, 0.1 + 0.2]})
    joined = with_kept(new, tmp_path / "runs.csv", ["model", "tokens", "seed"])
    assert joined.to_csv(index=False).splitlines() == [
        "model,tokens,seed,test_loss,note", "a,8,0,1.10,", "b,8,0,0.5,", "c,8,0,0.30000000000000004,",
    ]  # fmt: skip
    (tmp_path / "runs.csv").write_text("model,tokens\na,8\n")
    with pytest.raises(InputError, match="has no column 'seed'"):
        with_kept(new, tmp_path / "runs.csv", ["model", "tokens", "seed"])


@pytest.mark.parametrize("corpus", ["123456e78901", None])
def test_runs_on_another_corpus_are_not_kept(tmp_path, corpus):
    """Nor those that do not say which; a digest that could be read as a number is none."""
    path = tmp_path / "runs.csv"
    new = pd.DataFrame({"model": ["b"], "corpus": ["123456e78901"]})
    pd.DataFrame({"model": ["a"], "corpus": [corpus]}).to_csv(path, index=False)
    whole = with_kept(new, path, ["model"])
    if corpus:
        require_one_corpus(whole, path)
        whole = with_kept(new.assign(corpus="123456e78902"), path, ["model"])
    with pytest.raises(InputError, match=r"runs.csv is of runs on another corpus than those here .corpora 123456e7890"):
        require_one_corpus(whole, path)
