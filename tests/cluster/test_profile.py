"""profiles/slurm says of each rule what the rules say. That it works on a SLURM, `tests.cluster.check` shows."""

import re

import yaml

from tests.cluster.flow import FOR_NODES, WITH_MODEL, with_kinds_of_gpu
from tests.conftest import ROOT

PROFILE = ROOT / "profiles" / "slurm"


def rules() -> dict[str, tuple[str, str]]:
    """How each rule is written, and the same with what it takes over from a rule that it uses."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    own, used = {}, {}
    for block in re.split(r"^(?= *(?:use )?rule \w)", text, flags=re.MULTILINE)[1:]:
        base, name = re.match(r" *(?:use rule (\w+) as|rule) (\w+)", block).groups()
        own[name], used[name] = block, base
    return {name: (own[name], own[name] + own.get(used[name], "") + own.get(used.get(used[name]), "")) for name in own}


def test_every_rule_is_for_nodes_or_runs_where_snakemake_does():
    # That it does so, a rule does not take over from one that it uses.
    local = {name for name, (own, _) in rules().items() if "localrule: True" in own}
    assert set(rules()) - local == set(FOR_NODES)


def test_the_profile_names_the_kind_of_gpu_for_just_the_rules_that_ask_for_one():
    assert {name for name, (_, block) in rules().items() if re.search(r"^ +gpu=", block, re.MULTILINE)} == set(
        WITH_MODEL
    )
    profile = yaml.safe_load(with_kinds_of_gpu((PROFILE / "config.yaml").read_text()))
    assert set(profile["set-resources"]) == set(WITH_MODEL)


def test_the_profile_bounds_the_processes_of_every_rule_that_takes_as_many_as_there_are():
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    assert {name for name, (_, block) in rules().items() if "threads: 64" in block} == set(profile["set-threads"])


def test_a_job_without_a_gpu_does_not_fit_a_partition_with_them_best():
    """The plugin adds up a job's shares of a partition's limits, and takes 1 off for GPUs that it does not use."""
    partitions = yaml.safe_load((PROFILE / "partitions.yaml").read_text())["partitions"]
    assert {tuple(limits) for limits in partitions.values() if "max_gpu" in limits} == {("max_runtime", "max_gpu")}
    assert len(partitions["cpu"]) > 1
