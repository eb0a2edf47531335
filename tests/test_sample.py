import csv

import numpy as np
import pytest
import torch

from tests.conftest import command
from workflow.scripts.checkpoint import load_model
from workflow.scripts.sample import filtered, generate, ready_to_write
from workflow.scripts.tokenizer import BEGIN, END

CPU = torch.device("cpu")


@torch.no_grad()
def slow_generate(model, prompt, steps, seed):
    """Every token from scratch: the whole context once more, one sample, no cache and no state kept."""
    draws = torch.rand(steps, generator=torch.Generator().manual_seed(seed * 1_000_003)).double()
    T, ids, start = model.config.block_size, list(prompt), 0
    for draw in draws:
        if model.carries_state:
            context = ids
        else:  # grows to a whole context, then goes on from its last half
            start = max(start, len(prompt) - T)
            if len(ids) - start > T:
                start = len(ids) - T // 2
            context = ids[start:]
        logits, _ = model(torch.tensor([context]))
        cumulative = logits[0, -1].double().softmax(-1).cumsum(-1)
        ids.append(int((cumulative <= draw * cumulative[-1]).sum()))
        if ids[-1] == END:
            break
    return ids[len(prompt) :]


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
@pytest.mark.parametrize("prompt_length", [1, 20, 50])
def test_generation_equals_full_recomputation(arch, prompt_length, trained, corpus_dir):
    model, _, _ = load_model(trained[arch], CPU)
    model = model.double()
    prompt = np.fromfile(corpus_dir / "test.bin", dtype=np.uint8)[:prompt_length].tolist()
    for seed in range(3):
        assert generate(model, prompt, 1, 150, seed=seed)[0] == slow_generate(model, prompt, 150, seed)


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_a_sample_is_the_same_however_many_are_drawn(arch, trained):
    model, _, _ = load_model(trained[arch], CPU)
    model = model.double()
    many, few = (generate(model, [BEGIN], n, 100, seed=5) for n in (7, 2))
    assert many[:2] == few
    assert len({tuple(sample) for sample in many}) > 1
    for sample in many:
        assert END not in sample[:-1]


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_a_model_ready_to_write_gives_the_logits_it_was_trained_to(arch, trained):
    idx = torch.arange(2, 22).view(2, 10)
    expected = load_model(trained[arch], CPU)[0](idx)[0].detach()
    for precision, tolerance in (("float32", 1e-4), ("bfloat16", 0.1), ("auto", 0.1)):
        model = ready_to_write(load_model(trained[arch], CPU)[0], precision, 8)
        with torch.inference_mode():
            first, state = model(idx[:, :9], model.empty_state(2))
            last, _ = model(idx[:, 9:], state)
        torch.testing.assert_close(torch.cat((first, last), 1).float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_sample_is_the_same_in_any_batch_of_a_model_ready_to_write(precision, trained):
    model = ready_to_write(load_model(trained["gpt"], CPU)[0], precision, 8)
    many, few, one = (generate(model, [BEGIN], n, 100, seed=5) for n in (7, 2, 1))
    assert many[:2] == few
    assert many[:1] == one


def test_draws_follow_the_models_distribution(trained):
    """First characters of many samples against the probabilities they were drawn from."""
    model, _, _ = load_model(trained["gpt"], CPU)
    with torch.no_grad():
        p = model(torch.tensor([[BEGIN, 5, 9]]))[0][0, -1].softmax(-1).numpy()
    first = np.bincount([s[0] for s in generate(model, [BEGIN, 5, 9], 4000, 1, seed=1)], minlength=len(p)) / 4000
    assert np.abs(first - p).max() < 5 * np.sqrt(0.25 / 4000)
    assert np.corrcoef(first, p)[0, 1] > 0.95


def test_filters():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]))
    torch.testing.assert_close(filtered(logits, 1, 0, 1.0).float(), logits.exp())
    assert filtered(logits, 0, 0, 1.0).argmax(-1).tolist() == [0, 3]
    assert (filtered(logits, 1, 1, 1.0) > 0).sum(-1).tolist() == [1, 1]
    torch.testing.assert_close(filtered(logits, 1, 2, 1.0)[1].float(), torch.tensor([0, 0, 3 / 7, 4 / 7]))
    torch.testing.assert_close(filtered(logits, 1, 0, 0.6)[1].float(), torch.tensor([0, 0, 3 / 7, 4 / 7]))
    assert (filtered(logits, 1, 0, 0.0) > 0).sum(-1).tolist() == [1, 1]
    torch.testing.assert_close(filtered(logits, 0.5, 0, 1.0)[0, 0].item(), 0.25 / 0.34)


def test_the_command_writes_tunes_from_a_prompt(either, tmp_path):
    _, trained = either
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--prompt", r"M:4/4\nK:C\n", "--num_samples", 3,
                   "--max_new_tokens", 60, "--output_dir", tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "gpt_test-seed0.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        text = (tmp_path / row["file"]).read_text()
        assert text.startswith("X:1\nM:4/4\nK:C\n")
        assert len(text.removeprefix("X:1\nM:4/4\nK:C\n")) in (int(row["chars"]), int(row["chars"]) + 1)
    _, tokenizer, _ = load_model(trained["gpt"], CPU)
    assert (max(int(row["chars"]) for row in rows) > 60) == (tokenizer.kind == "bpe")  # characters, not tokens


def test_a_prompt_in_a_foreign_script_is_one_sentence(trained, tmp_path):
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--prompt", "T:音", "--output_dir", tmp_path / "x")
    assert done.returncode == 1
    assert done.stderr == "error: character '音' is not in the model's vocabulary\n"
    assert not (tmp_path / "x").exists()


def test_what_is_no_model_is_one_sentence(tmp_path, trained):
    assert "is not a trained model" in command("sample", "--checkpoint_dir", tmp_path).stderr
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((trained["gpt"] / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((trained["lstm"] / "model.safetensors").read_bytes())
    done = command("sample", "--checkpoint_dir", tmp_path)
    assert done.returncode == 1
    assert "is not the file that config.json beside it was written for" in done.stderr
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    assert "is not the file" in command("sample", "--checkpoint_dir", tmp_path).stderr
