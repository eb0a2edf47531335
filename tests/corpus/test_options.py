"""The options of `prepare`: each has its place in the help, and config.yaml can set those that it knows."""

import subprocess
import sys

import yaml

from tests.conftest import ROOT
from workflow.scripts.base.options import flags_of
from workflow.scripts.corpus.options import CONFIG_OPTIONS, HEADINGS, Cleaning, Options, Rules

ALL = [name for cls in (Cleaning, Rules, Options) for name in flags_of(cls)]


def test_every_option_is_under_one_heading():
    under = [name for parts in HEADINGS.values() for cls, group in parts for name in flags_of(cls, group=group)]
    assert sorted(under) == sorted(ALL)
    assert len(set(ALL)) == len(ALL) == 20


def test_what_the_config_sets_is_passed_on():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert set(CONFIG_OPTIONS) == set(ALL) & set(config)
    assert len(CONFIG_OPTIONS) == len(set(CONFIG_OPTIONS)) == 19


def test_options_are_known_without_loading_what_takes_long():
    """The Snakefile loads them for every job."""
    code = (
        "import sys, workflow.scripts.corpus.options; print(sorted({'numba', 'numpy', 'torch'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "[]\n"
