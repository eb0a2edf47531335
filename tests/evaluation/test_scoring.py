"""The loss against an independent slow computation, one forward pass for every character."""

import csv
import json
import math

import jsonschema
import numpy as np
import pytest
import torch

from tests.conftest import ROOT, command
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.perplexity import Material, evaluate
from workflow.scripts.evaluation.scoring import score_tokens, score_tunes, windows
from workflow.scripts.models import ModelConfig, module_for, names
from workflow.scripts.models.stored import load_model

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "perplexity.schema.json").read_text())


@pytest.mark.parametrize("block_size", [2, 5, 16, 32])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 31, 32, 33, 100, 1000])
def test_windows_score_each_target_once_with_half_a_window_before_it(n, block_size):
    scored = []
    for start, stop, first in windows(n, block_size):
        assert 0 <= start <= first < stop <= n
        assert stop - start <= block_size
        for target in range(first, stop):
            scored.append(target)
            assert target - start >= min(target, block_size // 2)
    assert scored == list(range(n))


@torch.no_grad()
def slow_nats(model, tune: np.ndarray) -> list[float]:
    """O(T^2): of every target by its own context, alone in a batch, in double precision."""
    T, ids, nats = model.config.block_size, torch.tensor(tune.astype(np.int64))[None], []
    for target in range(1, len(tune)):
        if model.carries_state:
            start = 0
        else:  # the last window of the plan in which the target stands among the new half
            position, end = target - 1, min(len(tune) - 1, T)
            while position >= end:
                end = min(end + T // 2, len(tune) - 1)
            start = max(0, end - T)
        logits, _ = model(ids[:, start:target])
        nats.append(-logits[0, -1].log_softmax(-1)[tune[target]].item())
    return nats


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("arch", names())
def test_every_tokens_loss_is_that_of_the_slow_computation(arch, batch):
    torch.manual_seed(0)
    model = module_for(arch).Model(ModelConfig(arch, 40, block_size=16, n_layer=2, n_embd=32, n_head=2))
    rng = np.random.default_rng(0)
    tunes = [rng.integers(2, 40, n).astype(np.uint8) for n in (2, 90, 17, 16, 3, 41, 18, 25, 33)]
    found = score_tokens(model, tunes, torch.device("cpu"), batch=batch)
    sums = score_tunes(model, tunes, torch.device("cpu"), batch=batch)
    slow = [slow_nats(model.double(), tune) for tune in tunes]
    np.testing.assert_allclose(found, np.concatenate(slow), atol=1e-5, rtol=0)
    np.testing.assert_allclose(sums, [sum(nats) for nats in slow], rtol=1e-5)
    assert np.ptp(found) > 1, "not all alike, so that a shift would show"


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


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_a_tunes_loss_does_not_depend_on_its_neighbours(arch, trained, corpus_dir):
    model, _, _ = load_model(trained[arch], torch.device("cpu"))
    split = Corpus.load(corpus_dir).split("test")
    tunes = [split.tune(i) for i in range(6)]
    together = score_tunes(model, tunes, torch.device("cpu"), batch=4)
    alone = [score_tunes(model, [tune], torch.device("cpu"))[0] for tune in tunes]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


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
    others = Material.read(Corpus.load(bpe_corpus_dir), "test")
    with pytest.raises(InputError, match="another vocabulary"):
        evaluate(str(trained["gpt"]), lambda _: others, "test", torch.device("cpu"), batch=8)
