"""A plan of a study: as Snakemake would read its config, at assumed speeds and at ones measured for a moment."""

import copy
import re

import pytest
import torch
import yaml
from snakemake.utils import update_config

from benchmarks import write_readme
from tests import forked
from tests.conftest import ROOT, command, environment
from workflow.scripts import plan, study_config
from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.models import ModelConfig
from workflow.scripts.training import bill, cost
from workflow.scripts.training.bill import Model, Totals, fitting
from workflow.scripts.training.memory import host_mb
from workflow.scripts.training.plan_words import duration, megabytes, misfits
from workflow.scripts.training.probe import Probed, in_order, middle

H100 = ("--device", "h100", "--json", "plan.json")
# Trials at two budgets, settings of their own, and a larger model, which alone is in bfloat16.
EVERYTHING = """
suite: [gpt_tiny, gpt_small]
tokens: [131072, 1048576]
seeds: [0, 1]
models:
  short: { arch: gpt, n_layer: 2, n_embd: 32, n_head: 2, block_size: 64, batch_size: 4, cooldown_fraction: 0.5 }
  plain: { arch: modern, n_layer: 2, n_embd: 32, n_head: 2, parts: qk_norm }
  narrow: { arch: gpt, n_layer: 2, n_embd: 16, n_head: 2, precision: bfloat16 }
  large: { arch: gpt, n_layer: 2, n_embd: 96, n_head: 6, precision: bfloat16 }
lr_transfer_models: [gpt_tiny, gpt_small]
lr_transfer_rates: { gpt: [0.004, 0.008] }
lr_transfer_tokens: 524288
lr_horizons: { gpt_tiny: [131072] }
ablations: { gpt_small: [short, plain, narrow] }
ablation_rates: [0.002, 0.004, 0.008]
ablation_tokens: 262144
targets: { large: [2097152, 4194304] }
target_seeds: [0]
"""
SMALL = "suite: [gpt_tiny]\nseeds: [0]\nlr_transfer_models: [gpt_tiny, gpt_medium]\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Plans go to a folder where nothing is prepared."""
    monkeypatch.chdir(tmp_path)


def planned(capsys, *args):
    """plan.json, and what was printed, of a plan made in this process, and its exit status."""
    status = 0
    try:
        plan.main([*map(str, args), *H100])
    except SystemExit as end:
        status = end.code
    found = read_json("plan.json")
    schema.check(found, "plan.schema.json", "plan.json")
    return found, capsys.readouterr().out, status


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_is_read_as_snakemake_does(path):
    expected = yaml.safe_load((ROOT / "config.yaml").read_text())
    for given in (yaml.safe_load(path.read_text()), {"seeds": [7], "learning_rates": {"gpt": 0.5}}):
        update_config(expected, copy.deepcopy(given))
    found = study_config.read_study(path, ["seeds=[7]", "learning_rates={gpt: 0.5}"])
    assert found == expected
    assert found["learning_rates"].keys() >= {"gpt", "lstm", "modern"}


def test_the_lakh_study_on_a_named_card(capsys):
    found, said, status = planned(capsys, ROOT / "studies/lakh.yaml", "--utilisation", 0.5, "--jobs", 4)
    assert status == 0
    assert max(map(len, said.splitlines())) <= 120
    large = found["models"]["gpt_xxl"]
    assert large["params_non_embedding"] == 12 * 24 * 1600**2
    steps = 3000 + 300 + 150 + 75  # a fifth of 1500, 750 and 375 are cooldowns
    assert large["steps"] == steps
    assert large["flops"] == steps * 32768 * large["flops_per_token"]
    exactly = large["flops"] / (0.5 * 989e12)
    assert exactly < large["train_seconds"] - large["start_seconds"] < 1.02 * exactly  # and validations
    assert 80 * 1024 * 0.95 > large["memory_mb"] > 18 * large["params"] >> 20
    suite = [model for model in found["models"].values() if model["jobs"]]
    assert found["total"]["flops"] == sum(model["flops"] * model["jobs"] for model in suite)
    seconds = sum(model["train_seconds"] * model["jobs"] for model in suite)
    assert found["total"]["job_seconds"] == pytest.approx(seconds, abs=0.1)
    assert found["total"]["clock_seconds"] >= max(model["train_seconds"] for model in suite)
    assert found["total"]["disk_mb"] == sum(model["disk_mb"] * model["jobs"] for model in suite)
    assert [found["stages"][name]["jobs"] for name in ("trials", "suite", "targets")] == [60, 28, 2]
    assert "Nothing was measured" in said


def test_a_budget_more_costs_its_cooldown_and_a_seed_more_the_same_again(capsys):
    one, *_ = planned(capsys, "--config", "tokens=[1048576]")
    two, *_ = planned(capsys, "--config", "tokens=[524288,1048576]")
    three, *_ = planned(capsys, "--config", "tokens=[524288,1048576]", "seeds=[0,1,3]")
    a, b = (found["models"]["gpt_xl"] for found in (one, two))
    assert b["flops"] - a["flops"] == 102 * 1024 * a["flops_per_token"]
    assert (b["disk_mb"], b["trial_seconds"]) == (2 * a["disk_mb"], a["trial_seconds"])
    assert three["total"]["flops"] == 1.5 * two["total"]["flops"]


def test_runs_whose_rate_falls_with_tokens_are_each_counted_from_their_first_step(capsys):
    config = "tokens=[524288,1048576]", "learning_rate_exponents={gpt: 0.3}"
    found, *_ = planned(capsys, "--config", *config)
    gpt, lstm = found["models"]["gpt_xl"], found["models"]["lstm_xl"]
    assert (gpt["steps"], lstm["steps"]) == (1024 + 512, 1024 + 102)
    assert (gpt["jobs"], lstm["jobs"]) == (4, 2)
    assert gpt["alone_seconds"].keys() == {"524288", "1048576"}


@pytest.fixture
def everything(tmp_path):
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    return "everything.yaml"


def test_all_that_a_study_trains_is_counted(capsys, everything):
    found, said, status = planned(capsys, everything, "--jobs", 2)
    assert status == 0
    stages, models = found["stages"], found["models"]
    assert {name: (sums["jobs"], sums["runs"]) for name, sums in stages.items()} == {
        "trials": (6, 6), "settings": (12, 12), "suite": (4, 8), "targets": (2, 2), "splits": (0, 0),
    }  # fmt: skip
    counted = {
        name: [model[key] for key in ("jobs", "trials", "settings", "targets")] for name, model in models.items()
    }
    assert counted == {
        "gpt_tiny": [2, 4, 0, 0], "gpt_small": [2, 2, 3, 0], "short": [0, 0, 3, 0], "plain": [0, 0, 3, 0],
        "narrow": [0, 0, 3, 0], "large": [0, 0, 0, 2],
    }  # fmt: skip
    assert found["in_all"]["jobs"] == 24
    for key in ("flops", "job_seconds", "clock_seconds"):
        assert found["in_all"][key] == pytest.approx(sum(sums[key] for sums in stages.values()), abs=0.01)
    assert found["total"] == stages["suite"] | {"trials": 6, "trial_seconds": stages["trials"]["job_seconds"]}
    longest = max(models["large"]["alone_seconds"].values())
    assert stages["targets"]["clock_seconds"] == pytest.approx(longest, abs=0.01)  # both at once
    tokens = {name: sorted(map(int, model["alone_seconds"])) for name, model in models.items()}
    assert tokens["gpt_tiny"] == [131072, 524288]
    assert tokens["gpt_small"] == [262144, 524288]
    assert tokens["large"] == [1048576, 2097152, 4194304]  # and a trial of it, if somebody asks for one
    tried = sum(models[name]["flops_per_token"] for name in ("gpt_small", "short", "plain", "narrow"))
    assert stages["settings"]["flops"] == 3 * 262144 * tried
    assert stages["targets"]["flops"] == 3 * 2097152 * models["large"]["flops_per_token"]
    for words in ("Trials of learning rates: 6 jobs train 6 runs", "Suite: 4 jobs train 8 runs", "In all: 24 jobs"):
        assert words in said
    assert "In a precision of their own: large (bfloat16), narrow (bfloat16)." in said
    left = planned(capsys, everything, "--config", "targets={large: []}")[0]["models"]
    assert set(models) - set(left) == {"large"}


def test_a_model_counts_by_settings_of_its_own(capsys, everything):
    models = planned(capsys, everything)[0]["models"]
    short, small, plain = (models[name] for name in ("short", "gpt_small", "plain"))
    assert (short["tokens_per_step"], small["tokens_per_step"]) == (256, 1024)
    assert short["steps"] == 1048576 // 256 + 131072 // 256 // 2  # the cooldown of the shorter run is half of it
    assert short["flops_per_token"] < small["flops_per_token"] == plain["flops_per_token"]
    assert "--parts qk_norm" in plain["flags"]
    assert [models[name]["precision"] for name in ("large", "short")] == ["bfloat16", "float32"]
    ratio = models["large"]["flops_per_second"] / small["flops_per_second"]
    assert ratio == pytest.approx(989 / 67)  # of that card, in these precisions


def test_models_are_timed_as_they_are_trained(monkeypatch, everything):
    """The suite, targets wholly, and of other models those whose speed the others do not tell."""
    asked = {}

    def fake(wanted, settings, at_once):
        asked.update({model.name: model for model in wanted})
        rates = {"float32": cost.Rate(1e9, 1e9), "bfloat16": cost.Rate(3e9, 3e9)}
        timed = [model for model in wanted if not model.is_extra]
        return {m.name: cost.Timing(m.kind, m.flops_per_token, rates[m.precision]) for m in timed}, 1.0

    monkeypatch.setattr(bill, "probe", fake)
    plan.main([everything, "--device", "cpu", "--jobs", "1", "--json", "plan.json"])
    assert {name: (model.is_target, model.is_extra) for name, model in asked.items()} == {
        "gpt_tiny": (False, False), "gpt_small": (False, False), "large": (True, False),
        "short": (False, True), "plain": (False, True), "narrow": (False, True),
    }  # fmt: skip
    assert (asked["plain"].config.parts, asked["short"].config.block_size, asked["short"].windows) == ("qk_norm", 64, 4)
    assert [asked[name].precision for name in ("gpt_tiny", "large", "narrow")] == ["float32", "bfloat16", "bfloat16"]
    models = read_json("plan.json")["models"]
    assert {name: model["rate"] for name, model in models.items()} == {
        "gpt_tiny": "measured", "gpt_small": "measured", "large": "measured",
        "short": "akin", "plain": "akin", "narrow": "beyond",
    }  # fmt: skip
    assert [models[name]["flops_per_second"] for name in ("short", "narrow")] == [10**9, 3 * 10**9]


def test_models_of_the_suite_of_one_kind_need_no_more_to_be_timed(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(bill, "probe", lambda wanted, *_: asked.extend(wanted) or ({}, 1.0))
    (tmp_path / "small.yaml").write_text(SMALL)
    with pytest.raises(InputError, match="not even the smallest model could be timed"):
        plan.main(["small.yaml", "--device", "cpu", "--jobs", "1"])
    assert [model.name for model in asked] == ["gpt_tiny"]


def test_what_does_not_fit_is_said_and_ends_with_3(capsys):
    large = (ROOT / "studies/lakh.yaml", "--device_memory_gb", 12, "--hours", 0.5)
    found, said, status = planned(capsys, *large)
    assert status == 3
    memory, hours = found["does_not_fit"]
    assert re.match(r"gpt_xxl needs 1\d\.\d GB of memory with 1 window in a pass; there are 11.4 GB", memory)
    assert re.match(r"training takes .* by the clock \(trials .*, suite .*\), more than the 0.5 h allowed", hours)
    assert said.count("Does not fit: ") == 2
    assert found["models"]["gpt_12x1024"]["micro_batch"] < 32  # which does fit, in more passes
    found, _, status = planned(capsys, "--hours", 1000)
    assert (found["does_not_fit"], status) == ([], 0)


def test_a_full_disk_is_said():
    totals = {
        "suite": Totals(1, 1, 1, 9.0, 1.0, 9.0, disk_mb=600, unfinished_mb=100),
        "targets": Totals(
            1, 1, 1, 9.0, 1.0, 9.0, disk_mb=300, unfinished_mb=200
        ),  # when the suite has no unfinished run
    }
    place, _ = plan.place_of({"precision": "auto"}, plan.Asked("a100"))
    assert misfits([], totals, place, 1, None, 1100) == []
    assert misfits([], totals, place, 1, None, 1099) == ["1.07 GB of disk are needed, and 1.07 GB are free"]


def test_single_precision_has_the_speed_of_single_precision():
    slow, fast = (plan.place_of({"precision": name}, plan.Asked("a100"))[0] for name in ("float32", "auto"))
    assert slow.flops == fast.flops
    assert fast.flops[fast.precision] / slow.flops[slow.precision] == 16
    assert [slow.precision_of(name) for name in ("float32", "auto", "bfloat16")] == ["float32", "bfloat16", "bfloat16"]
    other, _ = plan.place_of({"precision": "auto"}, plan.Asked(tflops=100.0, utilisation=0.2))
    assert (other.flops, other.memory_mb) == ({"float32": 2e13, "bfloat16": 2e13}, None)
    assert other.on_gpu


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["no.yaml"], "no.yaml: No such file or directory"),
        (["broken.yaml"], "broken.yaml is not readable as YAML"),
        (["list.yaml"], "list.yaml holds no keys of a study"),
        (["--config", "token=[5]"], r"config: unknown key 'token' \(did you mean 'tokens'\?\)"),
        (["--config", "tokens"], "--config tokens: must be KEY=VALUE"),
        (["--config", "tokens=[5"], "--config tokens=.5: the value is not readable as YAML"),
        (["--device", "h10"], r"no device 'h10' \(did you mean 'h100'\?\)"),
        (["--device", "cpu", "--device_tflops", "5"], "--device cpu is timed here: --device_tflops is for another"),
        (["--device", "cpu", "--utilisation", "0.5"], "--utilisation and --device_memory_gb go with a named --device"),
        (["--device", "h100", "--utilisation", "0"], "--utilisation 0: nothing would ever be trained"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, args, sentence):
    (tmp_path / "broken.yaml").write_text("suite: [gpt_tiny\n")
    (tmp_path / "list.yaml").write_text("- gpt_tiny\n")
    with pytest.raises(InputError, match=sentence) as caught:
        plan.main(args)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("flag", ["--jobs", "--hours", "--seconds", "--device_tflops", "--device_memory_gb"])
def test_numbers_must_be_positive(capsys, flag):
    for wrong in ("0", "-1"):
        with pytest.raises(SystemExit) as end:
            plan.main([flag, wrong])
        assert end.value.code == 2
        assert "is not a positive" in capsys.readouterr().err


def test_amounts_are_said_as_people_do():
    assert [duration(seconds) for seconds in (0.5, 45, 90, 300, 7200, 10**6)] == [
        "0.5 s", "45 s", "90 s", "5 min", "2 h", "278 h",
    ]  # fmt: skip
    assert [megabytes(mb) for mb in (3, 1000, 1536, 102400)] == ["3 MB", "1000 MB", "1.5 GB", "100 GB"]


def test_the_smallest_of_each_kind_are_timed_first_and_then_the_largest():
    shapes = [("lstm", 16), ("gpt", 32), ("gpt", 8), ("lstm", 8), ("gpt", 16)]
    models = [Probed(f"{arch}{n}", ModelConfig(arch, 50, 32, 1, n, 2), "float32", 8, 8) for arch, n in shapes]
    order = [model.name for model in in_order(models, "cpu")]
    assert order[:2] == ["lstm8", "gpt8"]  # whose products are fewer
    assert order[2:] == ["gpt32", "gpt16", "lstm16"]
    assert [model.name for model in in_order(models, "cuda")] == ["lstm8", "gpt8", "gpt32", "lstm16"]
    # Kinds of another precision have a smallest of their own; a target is timed wherever, and what is extra comes last.
    config = ModelConfig("gpt", 50, 32, 1, 24, 2)
    models += [
        Probed("small", ModelConfig("gpt", 50, 16, 1, 4, 2), "float32", 8, 8, is_extra=True),
        Probed("target", config, "float32", 8, 8, is_target=True),
        Probed("half", config, "bfloat16", 8, 8),
    ]
    order = [model.name for model in in_order(models, "cpu")]
    assert order == ["lstm8", "gpt8", "half", "gpt32", "target", "gpt16", "lstm16", "small"]
    assert [model.name for model in in_order(models, "cuda")] == [
        "lstm8", "gpt8", "half", "gpt32", "target", "lstm16", "small",
    ]  # fmt: skip


def test_a_model_is_timed_with_as_many_windows_as_have_memory():
    config = ModelConfig("gpt", 50, 1024, 4, 64, 2)
    need = {n: host_mb(config, n, "bfloat16", 0) for n in (1, 4, 8)}
    model = Model("x", config, "bfloat16", 8192, 8, 8, need[8], need[8], (1, 1), 1, ())
    place = plan.Place("here", torch.device("cpu"), "float32", None)
    found = [fitting(model, place, mb) for mb in (None, need[8], need[8] - 1, need[4], need[1], need[1] - 1)]
    assert found == [8, 8, 4, 4, 1, 0]


def test_a_rate_of_several_processes_is_that_of_their_mean_time():
    kind = cost.Kind("gpt")
    one = cost.Timing(kind, 9, cost.Rate(1.0, 4.0), 0.5, busy=1.0, once=3.0)
    two = cost.Timing(kind, 9, cost.Rate(3.0, 4.0), 0.5, busy=2.0)
    assert middle([one, two]) == cost.Timing(kind, 9, cost.Rate(1.5, 4.0), 0.5, 2.0, 3.0)


def test_what_was_planned_and_paid_is_a_row():
    row = {"name": "gpt_xl", "jobs": 2, "unit": "s", "planned": 90.0, "paid": 100.0}
    assert write_readme.plans({"plans": [row]})[-1] == "| gpt_xl | 2 | 90 s | 100 s | 0.90 |"


def test_a_study_is_timed_here_and_the_workflow_asks_for_what_that_gave(tmp_path):
    """Two models, one of the suite; the other is known by it. Snakemake's jobs of both then have the plan's numbers."""
    (tmp_path / "small.yaml").write_text(SMALL)
    line = ("small.yaml", "--device", "cpu", "--seconds", 0.3, "--jobs", 1)
    done = command("plan", *line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = read_json(tmp_path / "results" / "plan.json")
    schema.check(found, "plan.schema.json", "plan.json")
    tiny, medium = found["models"]["gpt_tiny"], found["models"]["gpt_medium"]
    assert (found["measured"], tiny["rate"], medium["rate"]) == (True, "measured", "beyond")
    assert (tiny["jobs"], medium["jobs"], medium["trials"]) == (1, 0, 6)
    assert 1e7 < tiny["flops_per_second"] == medium["flops_per_second"] < 1e13
    assert 0 < tiny["start_seconds"] < tiny["train_seconds"]
    assert tiny["trial_seconds"] < tiny["train_seconds"]

    targets = [
        "results/models/gpt_tiny/1048576-seed0/config.json",
        "results/lr_transfer/gpt_medium/1048576-seed2-lr0.002/config.json",
    ]
    done = forked.run(
        "-m", "snakemake", "--dry-run", "--snakefile", ROOT / "Snakefile", "--workflow-profile", "none",
        "--configfile", "small.yaml", "--cores", "1", "--", *targets, cwd=tmp_path, env=environment(None),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    asked = dict(re.findall(r"^rule (train|trial):.*?\n(?: +.*\n)*? +resources: (.*)", done.stdout, re.MULTILINE))
    for kind, job in (("train", tiny), ("trial", medium)):
        wanted = cost.for_slurm(found["models"], "gpt_tiny" if job is tiny else "gpt_medium", kind, 1)
        assert f"runtime={wanted['runtime']}" in asked[kind].split(", ")
        assert f"mem_mb={wanted['mem_mb']}" in asked[kind].split(", ")
