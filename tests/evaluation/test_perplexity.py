"""What is reported of a model's loss, against an independent slow computation."""

import csv
import json
import math

import jsonschema
import numpy as np
import pytest
import torch

from tests.conftest import ROOT, command
from tests.evaluation.slow_scoring import slow_nats
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.perplexity import Evaluator
from workflow.scripts.models.stored import load_model

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "perplexity.schema.json").read_text())


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_perplexity_agrees_with_the_slow_computation(arch, either, tmp_path):
    """Whatever the tokenizer: the sum of the tokens' losses, over the characters of the tunes and their ends."""
    data, trained = either
    output = tmp_path / "perplexity.json"
    done = command("calc_perplexity", "--checkpoint", trained[arch], "--data_dir", data, "--output", output)
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())

    model, tokenizer, _ = load_model(trained[arch], torch.device("cpu"))
    split = Corpus.load(data).split("test")
    tunes = [split.tune(i) for i in range(split.n_tunes)]
    nats = [sum(slow_nats(model.double(), tune)) for tune in tunes]
    tokens = [len(tune) - 1 for tune in tunes]
    chars = [len("".join(tokenizer.tokens[i] for i in tune)) + 1 for tune in tunes]
    loss, loss_per_token = sum(nats) / sum(chars), sum(nats) / sum(tokens)
    assert (result["tokens"], result["chars"]) == (sum(tokens), sum(chars))
    assert result["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert result["loss"] == pytest.approx(loss, abs=1e-6)
    assert result["bits_per_char"] == pytest.approx(loss / math.log(2))
    assert result["loss_per_token"] == pytest.approx(loss_per_token, abs=1e-5)
    assert result["perplexity_per_token"] == pytest.approx(math.exp(loss_per_token), rel=1e-5)
    assert result["trained_on_this_corpus"]
    assert (sum(chars) > 1.5 * sum(tokens)) == (tokenizer.kind == "bpe")

    jsonschema.Draft202012Validator(SCHEMA).validate(result)
    size = sum(len("".join(tokenizer.tokens[i] for i in tune).encode()) + 1 for tune in tunes)
    assert result["bytes"] == size
    assert result["bits_per_byte"] == pytest.approx(sum(nats) / math.log(2) / size, rel=1e-5)
    low, high = result["loss_ci95"]
    assert low < loss < high
    for kinds in (*result["strata"].values(), result["positions"]):
        assert sum(kind["chars"] for kind in kinds) == sum(chars)
        whole = sum(kind["loss"] * kind["chars"] for kind in kinds)
        assert whole == pytest.approx(sum(nats), rel=1e-5)
    first = [-model(torch.tensor([[0]]))[0][0, -1].log_softmax(-1)[tune[1]].item() for tune in tunes]
    first_chars = sum(len(tokenizer.tokens[tune[1]]) for tune in tunes)
    assert result["positions"][0]["loss"] == pytest.approx(sum(first) / first_chars, abs=1e-5)

    with open(tmp_path / "perplexity_tunes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["tokens"]) for row in rows] == tokens
    assert [int(row["chars"]) for row in rows] == chars
    np.testing.assert_allclose([float(row["nats"]) for row in rows], nats, rtol=1e-5)


def test_weights_file_and_folder_are_the_same(trained, tmp_path, corpus_dir):
    out = []
    for checkpoint in (trained["gpt"], trained["gpt"] / "model.safetensors"):
        out.append(command("calc_perplexity", "--checkpoint", checkpoint, "--output", tmp_path / "p.json").stdout)
    assert out[0].split(":")[1] == out[1].split(":")[1] != ""


def test_another_vocabulary_is_refused(trained, tmp_path):
    rng = np.random.default_rng(0)
    tunes = ("".join(rng.choice(list("CDEFGABcdefgab"), 40)) for _ in range(80))
    (tmp_path / "in.abc").write_text("".join(f"X:1\nK:C\n{tune}|\n\n" for tune in tunes))
    made = command("prepare", "--input_path", tmp_path / "in.abc", "--output_dir", tmp_path / "c",
                   "--test_fraction", 0.3, "--val_fraction", 0.3)  # fmt: skip
    assert made.returncode == 0, made.stderr
    done = command("calc_perplexity", "--checkpoint", trained["gpt"], "--data_dir", tmp_path / "c")
    assert done.returncode == 1
    assert "another vocabulary" in done.stderr


def test_another_tokenizer_for_the_same_tunes_is_refused(trained, bpe_corpus_dir):
    evaluator = Evaluator("test", torch.device("cpu"), batch_size=8, data_dir=str(bpe_corpus_dir))
    with pytest.raises(InputError, match="another vocabulary"):
        evaluator.evaluate(str(trained["gpt"]))


def test_a_corpus_is_read_once_for_all_models(trained, corpus_dir, monkeypatch):
    """By default that which each was trained on; what a model's loss is does not depend on the others."""
    read = []
    load = Corpus.load
    monkeypatch.setattr(Corpus, "load", lambda folder: read.append(str(folder)) or load(folder))
    evaluator = Evaluator("val", torch.device("cpu"), batch_size=8)
    gpt, lstm, again = (evaluator.evaluate(str(trained[arch])) for arch in ("gpt", "lstm", "gpt"))
    assert read == [str(corpus_dir)]
    assert gpt.summary == again.summary
    assert gpt.summary["loss"] != lstm.summary["loss"]
    assert gpt.summary["text_sha256"] == lstm.summary["text_sha256"]
    assert (gpt.table["chars"] == lstm.table["chars"]).all()
