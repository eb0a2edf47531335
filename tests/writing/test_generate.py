import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
import torch

from tests.conftest import command
from workflow.scripts import models
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.tokenizer import BEGIN, END
from workflow.scripts.models import ModelConfig
from workflow.scripts.models.stored import load_model
from workflow.scripts.writing.generate import ROWS, Shared, filtered, generate, ready_to_write, write_in_turn
from workflow.scripts.writing.prompts import read_prompt_set
from workflow.scripts.writing.samples import read_samples

CPU = torch.device("cpu")


@torch.no_grad()
def slow_generate(model, prompt, steps, seed, number=0, temperature=1):
    """Every token from scratch: the whole context once more, one sample, no cache and no state kept."""
    draws = torch.rand(steps, generator=torch.Generator().manual_seed(seed * 1_000_003 + number)).double()
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
        cumulative = filtered(logits[:, -1], temperature)[0].cumsum(-1)
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


class Recomputed:
    """A decoder that keeps the ids of its texts alone, and computes everything from them for each token."""

    def __init__(self, model):
        self.model = model
        self.room = 0 if model.carries_state else model.config.block_size

    def texts(self, rows):
        self.ids = [[] for _ in range(rows)]
        return self

    @torch.no_grad()
    def step(self, rows, ids):
        for row, number in zip(rows, ids, strict=True):
            self.ids[row].append(number)
        return np.stack([self.model(torch.tensor([self.ids[row]]))[0][0, -1].numpy() for row in rows])

    def read(self, row, ids):
        self.ids[row] = list(ids[:-1])
        return self.step([row], ids[-1:])[0]

    def copy(self, source, target):
        self.ids[target] = list(self.ids[source])

    def full(self, rows):
        return np.array([len(self.ids[row]) == self.room for row in rows])


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
@pytest.mark.parametrize("prompt_length", [1, 50])
def test_samples_in_turn_are_those_of_full_recomputation(arch, prompt_length, trained, corpus_dir):
    """Where contexts grow full at different times, and where a sample takes the row of one that ended."""
    model = load_model(trained[arch], CPU)[0].double()
    prompt = np.fromfile(corpus_dir / "test.bin", dtype=np.uint8)[:prompt_length].tolist()
    samples = [[] for _ in range(6)]
    write_in_turn(Recomputed(model), Shared(prompt, 40, 7, {}), 4, iter(range(6)), samples)
    assert samples == [slow_generate(model, prompt, 40, 7, number) for number in range(6)]


@pytest.mark.parametrize("arch", ["gpt", "lstm", "modern"])
def test_the_likeliest_text_is_that_of_full_recomputation(arch):
    """Through contexts that grow full three times, in float32 against double precision."""
    torch.manual_seed(0)
    model = models.module_for(arch).Model(ModelConfig(arch, 60, 32, 2, 24, 2)).eval()
    found = generate(ready_to_write(model, "float32"), [BEGIN, 5], 2, 80, temperature=0)
    assert len(found[0]) == 80
    assert found == [slow_generate(model.double(), [BEGIN, 5], 80, 0, temperature=0)] * 2


def test_a_model_for_a_cpu_is_ready_in_the_precision_that_is_asked_for(trained):
    for precision, narrow in (("float32", np.float32), ("bfloat16", np.int16), ("auto", np.float32)):
        for arch in ("gpt", "lstm"):
            assert ready_to_write(load_model(trained[arch], CPU)[0], precision).narrow == narrow


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("arch", ["gpt", "lstm", "modern"])
def test_a_sample_is_the_same_however_many_are_drawn(arch, precision):
    """At a width at which, in bfloat16, a product of fewer rows than a batch has would round otherwise."""
    torch.manual_seed(0)
    model = models.module_for(arch).Model(ModelConfig(arch, 60, 32, 2, 80, 4)).eval()
    model = ready_to_write(model, precision)
    many = generate(model, [BEGIN, 5], ROWS + 5, 60, seed=5)
    assert len({tuple(sample) for sample in many}) > ROWS
    for n in (1, 2, 5, ROWS, ROWS + 1):
        assert generate(model, [BEGIN, 5], n, 60, seed=5) == many[:n]
    assert generate(model, [BEGIN, 5], 1, 60, seed=6) != many[:1]
    for sample in many:
        assert END not in sample[:-1]


def test_a_sample_is_the_same_by_as_many_threads_as_there_are(monkeypatch):
    torch.manual_seed(0)
    model = ready_to_write(models.module_for("gpt").Model(ModelConfig("gpt", 60, 32, 2, 24, 2)).eval(), "float32")
    one = generate(model, [BEGIN, 5], 9, 60, seed=5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert generate(model, [BEGIN, 5], 9, 60, seed=5) == one


def test_draws_follow_the_models_distribution(trained):
    """First characters of many samples against the probabilities they were drawn from."""
    model, _, _ = load_model(trained["gpt"], CPU)
    with torch.no_grad():
        p = model(torch.tensor([[BEGIN, 5, 9]]))[0][0, -1].softmax(-1).numpy()
    model = ready_to_write(model, "float32")
    first = np.bincount([s[0] for s in generate(model, [BEGIN, 5, 9], 4000, 1, seed=1)], minlength=len(p)) / 4000
    assert np.abs(first - p).max() < 5 * np.sqrt(0.25 / 4000)
    assert np.corrcoef(first, p)[0, 1] > 0.95


def test_filters():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]))
    torch.testing.assert_close(filtered(logits).float(), logits.exp())
    assert filtered(logits, temperature=0).argmax(-1).tolist() == [0, 3]
    assert (filtered(logits, top_k=1) > 0).sum(-1).tolist() == [1, 1]
    torch.testing.assert_close(filtered(logits, top_k=2)[1].float(), torch.tensor([0, 0, 3 / 7, 4 / 7]))
    torch.testing.assert_close(filtered(logits, top_p=0.6)[1].float(), torch.tensor([0, 0, 3 / 7, 4 / 7]))
    assert (filtered(logits, top_p=0.0) > 0).sum(-1).tolist() == [1, 1]
    torch.testing.assert_close(filtered(logits, temperature=0.5)[0, 0].item(), 0.25 / 0.34)


def test_min_p_is_a_share_of_the_likeliest_after_temperature():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]]))
    torch.testing.assert_close(filtered(logits, min_p=0.6)[1].float(), torch.tensor([0, 0, 3 / 7, 4 / 7]))
    assert (filtered(logits, min_p=0.3) > 0).sum(-1).tolist() == [3, 3]
    # At half the temperature 0.3 : 0.4 is 0.5625 : 1, and 0.2 : 0.4 is 0.25 : 1.
    assert (filtered(logits, temperature=0.5, min_p=0.3) > 0).sum(-1).tolist() == [1, 2]
    assert (filtered(logits, min_p=1.0) > 0).sum(-1).tolist() == [1, 1]
    torch.testing.assert_close(filtered(logits, top_k=3, min_p=0.3), filtered(logits, min_p=0.3))


def test_a_temperature_near_zero_takes_the_likeliest():
    assert filtered(torch.tensor([[1.0, 3.0, 2.0]]), temperature=1e-310).tolist() == [[0, 1, 0]]


def test_the_command_writes_tunes_from_a_prompt(either, tmp_path):
    _, trained = either
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--prompt", r"M:4/4\nK:C\n", "--num_samples", 3,
                   "--threads", 1, "--max_new_tokens", 60, "--output_dir", tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "gpt_test-seed0.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        text = (tmp_path / row["file"]).read_text()
        assert text.startswith("X:1\nM:4/4\nK:C\n")
        assert int(row["prompt_chars"]) == len("X:1\nM:4/4\nK:C\n")
        assert len(text.removeprefix("X:1\nM:4/4\nK:C\n")) in (int(row["chars"]), int(row["chars"]) + 1)
    _, tokenizer, _ = load_model(trained["gpt"], CPU)
    assert (max(int(row["chars"]) for row in rows) > 60) == (tokenizer.kind == "bpe")  # characters, not tokens


def test_the_command_writes_tunes_without_and_with_prompts(trained, tmp_path):
    prompts = {"key_and_meter": "X:1\nM:6/8\nK:D\n", "title": "X:1\nT:The"}
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--num_samples", 3, "--max_new_tokens", 60,
                   "--threads", 1, "--output_dir", tmp_path / "free", "--prompt_set", tmp_path / "prompts.json",
                   "--prompted_dir", tmp_path / "prompted", "--samples_per_prompt", 2, "--min_p", 0.05)  # fmt: skip
    assert done.returncode == 0, done.stderr
    free = read_samples(tmp_path / "free")
    assert [sample.prompt_chars for sample in free] == [0, 0, 0]
    assert {path.name for path in (tmp_path / "prompted").iterdir()} == set(prompts)
    for name, prompt in prompts.items():
        samples = read_samples(tmp_path / "prompted" / name)
        assert len(samples) == 2
        for sample in samples:
            assert sample.prompt_chars == len(prompt)
            assert sample.path.read_text().startswith(prompt)


@pytest.mark.parametrize("content", [{"../up": "X:1"}, {"": "X:1"}, {"a": ""}, {"a": 1}, {"a/b": "X:1"}, ["X:1"]])
def test_a_set_of_prompts_has_names_for_folders_and_texts(content, tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"prompts\.json"):
        read_prompt_set(str(tmp_path / "prompts.json"))


def test_a_prompt_is_text_even_where_it_names_a_file(trained, tmp_path):
    (tmp_path / "secret").write_text("K:G\n")
    (tmp_path / "prompts.json").write_text(json.dumps({"path": "./secret"}))
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--prompt", "secret", "--num_samples", 1,
                   "--threads", 1, "--max_new_tokens", 5, "--output_dir", tmp_path / "free",
                   "--prompt_set", tmp_path / "prompts.json", "--prompted_dir", tmp_path / "prompted",
                   cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_samples(tmp_path / "free")[0].path.read_text().startswith("X:1\nsecret")
    assert read_samples(tmp_path / "prompted" / "path")[0].path.read_text().startswith("./secret")


def test_a_prompt_in_a_foreign_script_is_one_sentence_and_of_a_set_it_is_left_out(trained, tmp_path):
    line = ("sample", "--checkpoint_dir", trained["gpt"], "--output_dir", tmp_path / "x")
    done = command(*line, "--prompt", "T:音")
    assert done.returncode == 1
    assert done.stderr == "error: --prompt: character '音' is not in the model's vocabulary\n"
    assert not (tmp_path / "x").exists()
    (tmp_path / "prompts.json").write_text(json.dumps({"foreign": "T:音", "latin": "X:1\n"}))
    done = command(*line, "--num_samples", 1, "--max_new_tokens", 5, "--samples_per_prompt", 2,
                   "--prompt_set", tmp_path / "prompts.json", "--prompted_dir", tmp_path / "y")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "prompts.json, prompt 'foreign': character '音' is not in the model's vocabulary: none are" in done.stdout
    assert read_samples(tmp_path / "y" / "foreign") == []
    assert len(read_samples(tmp_path / "y" / "latin")) == 2


def test_an_empty_set_of_prompts_leaves_an_empty_folder(trained, tmp_path):
    (tmp_path / "prompts.json").write_text("{}")
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--num_samples", 1, "--max_new_tokens", 5,
                   "--output_dir", tmp_path / "x", "--prompt_set", tmp_path / "prompts.json",
                   "--prompted_dir", tmp_path / "y")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "y").iterdir()) == []


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


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbfX:1\r\nK:D\r\n", "X:1\nK:D\n".encode("utf-16"), b"X:1\rK:D\r", b"X:1\nK:D\n"],
    ids=["BOM and CRLF", "UTF-16", "CR", "plain"],
)
def test_a_prompt_file_is_read_as_a_tune_is(data, trained, tmp_path):
    (tmp_path / "prompt.abc").write_bytes(data)
    length = ("--num_samples", 1, "--max_new_tokens", 5, "--threads", 1)
    done = command("sample", "--checkpoint_dir", trained["gpt"], "--prompt_file", tmp_path / "prompt.abc", *length,
                   "--output_dir", tmp_path / "x")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (sample,) = read_samples(tmp_path / "x")
    assert sample.path.read_text().startswith("X:1\nK:D\n")
    assert sample.prompt_chars == 8


def test_the_table_of_samples_stands_for_their_texts(trained, tmp_path):
    """As Snakemake compares that alone: by a hash of each."""
    tables = []
    for name, flags in (("a", ()), ("again", ()), ("cold", ("--temperature", 0.9))):
        done = command("sample", "--checkpoint_dir", trained["gpt"], "--num_samples", 2, "--max_new_tokens", 30,
                       "--threads", 1, "--output_dir", tmp_path / name, "--prompt_set", '{"latin": "X:1\\n"}',
                       "--samples_per_prompt", 1, "--prompted_dir", tmp_path / name / "prompted", *flags)  # fmt: skip
        assert done.returncode == 0, done.stderr
        (table,) = (tmp_path / name).glob("*.csv")
        assert len(read_samples(tmp_path / name / "prompted" / "latin")) == 1
        tables.append(table.read_text())
        for row in csv.DictReader(tables[-1].splitlines()):
            assert hashlib.sha256((tmp_path / name / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert tables[0] == tables[1] != tables[2]


def test_a_models_name_leads_nowhere(trained, tmp_path):
    shutil.copytree(trained["gpt"], tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"model_name": "gpt_test"', '"model_name": "../../out"'))
    done = command("sample", "--checkpoint_dir", tmp_path / "model", "--output_dir", tmp_path / "x" / "y" / "z")
    assert done.returncode == 1
    assert "config.json does not describe a model ('../../out' is not a name of letters, digits" in done.stderr
    assert not (tmp_path / "x").exists()
