"""The options of writing fit what they are for: the config, and the choice of the next token."""

import inspect

import yaml

from tests.conftest import ROOT
from workflow.scripts.writing.generate import filtered
from workflow.scripts.writing.options import CONFIG_OPTIONS, LIMITS, Sampling


def test_the_config_sets_every_option():
    assert set(CONFIG_OPTIONS) <= set(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert CONFIG_OPTIONS[0] == "num_samples"


def test_the_limits_are_those_that_the_choice_of_a_token_knows_and_by_default_limit_nothing():
    _, *limits = inspect.signature(filtered).parameters.values()
    assert Sampling().limits() == {limit.name: limit.default for limit in limits}
    assert Sampling(num_samples=9, min_p=0.25).limits() == {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0.25}
    assert set(LIMITS) < set(CONFIG_OPTIONS)
