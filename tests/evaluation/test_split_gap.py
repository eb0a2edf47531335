import json

import numpy as np
import pandas as pd
import pytest

from workflow.scripts import collect_split_gap, plot_scaling
from workflow.scripts.base.errors import InputError
from workflow.scripts.evaluation.split_gap import ALL, EXCESS, OTHER, RELATED, split_gap
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import save

TUNES, RELATIVES = 60, 24
CHARS = np.arange(100, 100 + TUNES)


@pytest.fixture
def corpus(tmp_path):
    """Test tunes of which the first have a version in training."""
    folder = tmp_path / "tunes-random"
    folder.mkdir()
    rows = [f"a.abc\t{i}\ttest\tc{i}" for i in range(TUNES)] + [f"b.abc\t{i}\ttrain\tc{i}" for i in range(RELATIVES)]
    (folder / "tunes.tsv").write_text("\n".join(["path\tline\tsplit\tcluster", *rows]) + "\n")
    return folder


def write_run(folder, model, seed, losses, sha="same", params=1000):
    """A finished run with these losses of each tune, in nats a character."""
    folder.mkdir(parents=True)
    nats = losses * CHARS
    loss = nats.sum() / CHARS.sum()
    training = {
        "model_name": model, "params": params, "params_non_embedding": params, "tokens": 4096, "unique_tokens": 4096,
        "flops": 1, "options": {"seed": seed, "learning_rate": 0.01}, "train_seconds": 1.0, "trunk_seconds": 1.0,
        "device_name": "cpu", "precision": "float32", "corpus": "0" * 12,
    }  # fmt: skip
    shape = {"arch": "gpt", "n_layer": 1, "n_embd": 8, "n_head": 2, "block_size": 32}
    config = {"model": shape, "training": training, "tokenizer": {"kind": "char"}}
    (folder / "config.json").write_text(json.dumps(config))
    summary = {
        "split": "test", "loss": loss, "loss_se": 0.01, "loss_ci95": None, "perplexity": np.exp(loss),
        "bits_per_char": 1.0, "bits_per_byte": 1.0, "chars": int(CHARS.sum()), "tokens": int(CHARS.sum()),
        "tunes": TUNES, "text_sha256": sha,
    }  # fmt: skip
    (folder / "perplexity.json").write_text(json.dumps(summary))
    pd.DataFrame({"chars": CHARS, "nats": nats}).to_csv(folder / "perplexity_tunes.csv", index=False)
    (folder / "history.csv").write_text("step,tokens,flops,lr,train_loss,val_loss,seconds\n1,1,1,1,1,1,1\n")


def study(tmp_path, gap=0.2, noise=0.0, seeds=(0, 1), sha="same"):
    """Runs of which those without relatives lose ``gap`` more on each tune that has one."""
    rng = np.random.default_rng(1)
    tune = rng.normal(1.5, 0.3, TUNES)
    folders = {"random": [], "random_apart": []}
    for way, found in folders.items():
        for model, params in (("small", 1000), ("large", 9000)):
            for seed in seeds:
                losses = tune + rng.normal(0, noise) + gap * (way == "random_apart") * (np.arange(TUNES) < RELATIVES)
                folder = tmp_path / "split_gap" / way / model / f"4096-seed{seed}"
                write_run(folder, model, seed, losses, sha if way == "random" else "same", params)
                found.append(str(folder))
    return folders


def test_what_relatives_take_away_is_found_where_they_are(tmp_path, corpus):
    folders = study(tmp_path)
    table, summary = split_gap(folders["random"], folders["random_apart"], corpus)
    assert (summary["test_tunes"], summary["with_relatives"]) == (TUNES, RELATIVES)
    assert [model["model"] for model in summary["models"]] == ["small", "large"]
    for model in summary["models"]:
        assert model[RELATED]["difference"] == pytest.approx(0.2)
        assert model[OTHER]["difference"] == pytest.approx(0)
        assert model[EXCESS]["difference"] == pytest.approx(0.2)
        assert model[ALL]["difference"] == pytest.approx(0.2 * CHARS[:RELATIVES].sum() / CHARS.sum())
        assert model[ALL]["loss_without"] - model[ALL]["loss_with"] == pytest.approx(model[ALL]["difference"])
    assert len(table) == 4
    assert (table["difference"] == table["loss_without"] - table["loss_with"]).all()


def test_noise_between_seeds_is_in_the_interval_and_one_seed_says_so(tmp_path, corpus):
    folders = study(tmp_path / "several", gap=0, noise=0.05, seeds=(0, 1, 2))
    summary = split_gap(folders["random"], folders["random_apart"], corpus)[1]
    for model in summary["models"]:
        low, high = model[ALL]["difference_ci95"]
        assert low < 0 < high
        assert high - low > 0.05
        assert model[EXCESS]["difference"] == pytest.approx(0)  # noise that moves all tunes alike is not in it
        assert model[EXCESS]["difference_se"] < 0.01
    assert summary["seeds_in_intervals"]
    folders = study(tmp_path / "one", gap=0, noise=0.05, seeds=(0,))
    (tmp_path / "out").mkdir()
    collect_split_gap.main(
        ["--folders", *folders["random"], *folders["random_apart"], "--corpus", str(corpus), "--table",
         str(tmp_path / "out" / "split_gap.csv")]
    )  # fmt: skip
    assert not json.loads((tmp_path / "out" / "split_gap.json").read_text())["seeds_in_intervals"]
    caption = (tmp_path / "out" / "captions" / "split_gap.md").read_text()
    assert "how far seeds differ is not in them" in caption
    assert caption.endswith("Corpus: tunes-random.\n")
    drawn = (tmp_path / "out" / "split_gap.png").read_bytes()
    assert len(drawn) > 5000
    plot_scaling.save_trials(tmp_path / "out", tmp_path, MEDIUM, save)  # from what is recorded of it
    assert (tmp_path / "split_gap.png").read_bytes() == drawn


def test_a_run_without_its_partner_and_other_tunes_are_refused(tmp_path, corpus):
    folders = study(tmp_path / "a")
    with pytest.raises(InputError, match="large at 4096 tokens with seed 1 was not trained with relatives and without"):
        split_gap(folders["random"], folders["random_apart"][:-1], corpus)
    folders = study(tmp_path / "b", sha="other")
    with pytest.raises(InputError, match="were not measured on the same tunes"):
        split_gap(folders["random"], folders["random_apart"], corpus)
    (corpus / "tunes.tsv").write_text("path\tsplit\tcluster\na\ttest\t1\n")
    folders = study(tmp_path / "c")
    with pytest.raises(InputError, match="has 1 test tunes, and"):
        split_gap(folders["random"], folders["random_apart"], corpus)
