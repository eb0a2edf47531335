"""The options of training: what is told once reaches the parser, the identity of a run and the study's flags."""

import dataclasses
import json
import shlex

import pytest
import yaml

from tests.conftest import ROOT
from workflow.scripts import models, study
from workflow.scripts.base.options import flags_of, from_args
from workflow.scripts.train import arguments
from workflow.scripts.training.options import CONFIG_OPTIONS, SHAPE_OPTIONS, TrainingOptions


def parsed(*words: str) -> TrainingOptions:
    return from_args(TrainingOptions, arguments().parse_args(["--model_name", "m", *words]))


@pytest.fixture(scope="module")
def config() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def another(value: object) -> object:
    """A value of the same kind that is not ``value``."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return 7 if value is None else "another" if isinstance(value, str) else [*value, "another"]


@pytest.mark.parametrize("name", flags_of(TrainingOptions))
def test_exactly_the_options_of_the_identity_make_another_run(name):
    options = parsed()
    changed = dataclasses.replace(options, **{name: another(getattr(options, name))})
    assert changed != options
    assert (changed.identity() != options.identity()) == (name in flags_of(TrainingOptions, identity=True))


def test_each_option_says_whether_it_makes_another_run():
    assert all(field.metadata["identity"] in (True, False) for field in dataclasses.fields(TrainingOptions))
    # As the first version that was published had it: one that leaves this list resumes the state of another run.
    assert set(flags_of(TrainingOptions, identity=True)) >= {
        "arch", "n_layer", "n_embd", "n_head", "context_size", "parametrization", "learning_rate", "warmup_steps",
        "beta1", "weight_decay", "grad_clip", "seed", "compile", "eval_interval", "eval_tokens",
    }  # fmt: skip


def test_without_flags_the_parser_gives_the_defaults():
    assert dataclasses.asdict(parsed()) == dataclasses.asdict(TrainingOptions(model_name="m")) | {"tokens": [1 << 20]}


def test_a_study_gives_train_all_that_its_config_says(config):
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
    for name in CONFIG_OPTIONS:
        assert name in config or name == "learning_rate"  # each architecture has its own
        assert name in schema["properties"] or name == "learning_rate"
    assert {"arch", *SHAPE_OPTIONS} <= set(schema["properties"]["models"]["additionalProperties"]["properties"])
    options = parsed(*shlex.split(study.train_flags(config, "gpt_xl")))
    model = config["models"]["gpt_xl"]
    assert {name: getattr(options, name) for name in SHAPE_OPTIONS} == model | {"parts": models.ALL_PARTS}
    assert options.learning_rate == config["learning_rates"]["gpt"]
    assert options.context_size == config["block_size"]
    told = [name for name in CONFIG_OPTIONS if name != "learning_rate"]
    assert {name: getattr(options, name) for name in told} == {name: config[name] for name in told}


def test_the_schema_lets_a_model_override_only_what_train_takes(config):
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
    own = set(schema["properties"]["models"]["additionalProperties"]["properties"])
    own.remove("seeds")  # of which runs a model has, not of one
    assert own <= {*SHAPE_OPTIONS, *CONFIG_OPTIONS, "block_size"}
    entry = {"arch": "gpt", "n_layer": 2, "n_embd": 24, "n_head": 2}
    changed = {
        "parts": "muon", "learning_rate": 0.5, "batch_size": 3, "grad_accum": 2, "warmup_steps": 7, "beta1": 0.7,
        "cooldown_fraction": 0.3, "weight_decay": 0.4, "precision": "bfloat16", "block_size": 64, "n_head": 4,
        "n_layer": 3, "n_embd": 48, "arch": "modern",
    }  # fmt: skip
    assert set(changed) == own
    config["models"]["other"] = entry | changed
    options = parsed(*shlex.split(study.train_flags(config, "other")))
    assert options.context_size == changed.pop("block_size")
    assert {name: getattr(options, name) for name in changed} == changed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--tokens", "100", "200"), "--output_dir: give 2, one for each of --tokens"),
        (("--output_dir", "a", "b"), "--output_dir: give 1, one for each of --tokens"),
        (("--max_iters", "5", "--output_dir", "a", "b"), "--output_dir: give 1"),
        (("--tokens", "1", "2", "--output_dir", "a", "b", "--keep_diverged"), "--keep_diverged goes with one of"),
        (("--tokens", "1", "2", "--output_dir", "a", "b"), ""),
    ],
)
def test_options_that_contradict_each_other(words, sentence):
    found = parsed(*words).contradiction
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)


def test_how_much_a_run_reads():
    options = parsed("--batch_size", "4", "--grad_accum", "3", "--context_size", "10", "--max_iters", "5")
    assert (options.windows_per_step, options.tokens_per_step, options.budgets) == (12, 120, [600])
    assert [str(folder) for folder in options.folders] == ["checkpoints/m"]
