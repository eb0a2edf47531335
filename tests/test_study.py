import ast
import copy
import functools
import os
import shutil

import pytest
import yaml

from tests.conftest import ROOT
from workflow.scripts import models, study, study_config
from workflow.scripts.base import code_identity
from workflow.scripts.base.errors import InputError
from workflow.scripts.reading import contents


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def merged(base: dict, change: dict) -> dict:
    """As Snakemake merges a --configfile: dicts deeply, everything else replaced."""
    result = copy.deepcopy(base)
    for key, value in change.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_is_right(config, path):
    study_config.check(merged(config, yaml.safe_load(path.read_text())))


def test_the_default_suite_is_matched_and_spans_fifteenfold(config):
    sizes = {"gpt": [], "lstm": []}
    for name in config["suite"]:
        entry = config["models"][name]
        shape = models.ModelConfig(entry["arch"], 117, config["block_size"], entry["n_layer"], entry["n_embd"], 1)
        sizes[entry["arch"]].append(models.module_for(entry["arch"]).count_params(shape)[0])
    assert len(sizes["gpt"]) == len(sizes["lstm"]) >= 5
    for a, b in zip(sizes["gpt"], sizes["lstm"], strict=True):
        assert max(a, b) / min(a, b) <= 1.10
    for values in sizes.values():
        assert values == sorted(values)
        assert values[-1] / values[0] >= 15
    assert len(config["seeds"]) >= 2
    assert config["lr_transfer_seed"] not in config["seeds"]


def test_both_architectures_are_tuned_with_as_many_trials(config):
    trials = {"gpt": 0, "lstm": 0, "modern": 0}
    for trial in study.trials(config):
        trials[config["models"][trial.split("/")[0]]["arch"]] += 1
    assert trials["gpt"] == trials["lstm"] > 0


def test_trials_of_shapes_and_horizons_and_settings_and_targets(config):
    config |= {
        "lr_transfer_models": ["gpt_tiny", "lstm_tiny"], "lr_transfer_rates": {"gpt": [0.1, 0.2], "lstm": [0.3]},
        "lr_transfer_tokens": 100, "lr_horizons": {"gpt_tiny": [400, 100], "gpt_xl": [800], "lstm_tiny": []},
        "ablations": {"gpt_tiny": ["gpt_small"]}, "ablation_rates": [0.5], "ablation_tokens": 7,
        "targets": {"gpt_wide": [900, 1000], "gpt_xl": []}, "target_seeds": [0, 1],
    }  # fmt: skip
    assert study.trials(config) == [
        "gpt_tiny/100-seed2-lr0.1", "gpt_tiny/100-seed2-lr0.2", "gpt_tiny/400-seed2-lr0.1", "gpt_tiny/400-seed2-lr0.2",
        "lstm_tiny/100-seed2-lr0.3", "gpt_xl/800-seed2-lr0.1", "gpt_xl/800-seed2-lr0.2",
    ]  # fmt: skip
    assert study.ablations(config) == ["gpt_tiny/7-seed2-lr0.5", "gpt_small/7-seed2-lr0.5"]
    assert study.targets(config) == [f"gpt_wide/{tokens}-seed{seed}" for tokens in (900, 1000) for seed in (0, 1)]


def test_a_rate_falls_with_tokens_where_the_study_says_so(config):
    assert study.without_trunk(config) == []
    assert study.rate_in_use(config, "gpt").at(4 << 20) == config["learning_rates"]["gpt"] == 0.008
    config |= {"learning_rate_exponents": {"gpt": 0.5}, "learning_rate_tokens": 1 << 20}
    assert {config["models"][name]["arch"] for name in study.without_trunk(config)} == {"gpt"}
    assert study.rate_in_use(config, "gpt").at(3 << 20) == 0.00462  # of 0.008 / sqrt(3)
    assert study.rate_in_use(config, "lstm").at(4 << 20) == config["learning_rates"]["lstm"]
    assert "--learning_rate 0.004 " in study.train_flags(config, "gpt_tiny", 4 << 20)
    assert "--learning_rate 0.008 " in study.train_flags(config, "gpt_tiny")
    config["models"]["gpt_tiny"]["learning_rate"] = 0.5
    assert "--learning_rate 0.5 " in study.train_flags(config, "gpt_tiny", 4 << 20)
    assert "gpt_tiny" not in study.without_trunk(config)


def test_what_results_lack_is_taken_from_where_the_study_is_recorded(config, tmp_path):
    results, recorded = tmp_path / "results", tmp_path / "docs"
    recorded.mkdir()
    (recorded / "runs.csv").touch()
    assert study.stored(config, str(results), "runs.csv") == str(results / "runs.csv")
    config["recorded"] = str(recorded)
    assert study.stored(config, str(results), "runs.csv") == str(recorded / "runs.csv")
    assert study.stored(config, str(results), "fit.json") == str(results / "fit.json")
    results.mkdir()
    (results / "runs.csv").touch()
    assert study.stored(config, str(results), "runs.csv") == str(results / "runs.csv")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": {"gpt_huge": [5]}}, "targets names 'gpt_huge', which is not under models"),
        ({"targets": {"gpt_hug": []}}, "targets names 'gpt_hug', which is not under models"),
        ({"tokens": []}, "config: tokens is ..: must be a list of different token budgets"),
        ({"longer": {"gpt_wide": [9 << 20]}}, "config: longer names 'gpt_wide', which is not in the suite"),
        ({"longer": {"gpt_xl": [1048577]}}, "config: longer.gpt_xl: 1048577 tokens are not more than the largest"),
        ({"ablations": {"gpt_xl": ["gpt_y"]}}, "ablations names 'gpt_y', which is not under models"),
        ({"lr_horizons": {"gpt_tny": [5]}}, "lr_horizons names 'gpt_tny', which is not .*mean 'gpt_tiny'"),
        ({"models": {"gpt_wide": {"block_size": 64}}}, "must read the same tokens a step"),
        ({"models": {"gpt_tiny": {"beta1": 1}}}, "config: models.gpt_tiny.beta1 is 1: must be a number of at least 0"),
        ({"token": 5}, r"config: unknown key 'token' \(did you mean 'tokens'\?\)"),
        ({"models": {"gpt_tiny": {"n_layers": 2}}}, "config: models.gpt_tiny: unknown key 'n_layers' .did you mean"),
        ({"models": {"new": {"arch": "gpt"}}}, "config: models.new: 'n_layer' is a required property"),
        ({"suite": ["gpt_tiny", "gpt_tny"]}, r"'gpt_tny', which is not under models \(did you mean 'gpt_tiny'\?\)"),
        ({"tokens": 5}, "config: tokens is 5: must be a list of different token budgets"),
        ({"tokens": ["1e6"]}, "config: tokens.0 is '1e6': must be a whole number of at least 1"),
        ({"pathvars": {"reslts": "x"}}, "config: pathvars: unknown key 'reslts' .did you mean 'results'"),
        ({"val_fraction": 2}, "config: val_fraction is 2: must be a number from 0 to 1"),
        ({"models": {"gpt_tiny": {"grad_accum": 2}}}, "must read the same tokens a step"),
        ({"lr_transfer_models": ["gpt_wid"]}, "lr_transfer_models names 'gpt_wid', which is not .* mean 'gpt_wide'"),
        ({"models": {"gpt_tiny": {"arch": "rnn"}}}, "unknown arch 'rnn': choose one of gpt, lstm, lstm_muon, modern"),
        ({"tokens": [1048576, 1048577]}, "config: tokens: 1048576 and 1048577 tokens are too near"),
        ({"cooldown_fraction": 1}, "config: tokens: 131072 tokens leave no step before the cooldown"),
        ({"lr_transfer_seed": 1}, "lr_transfer_seed is one of the seeds of gpt_"),
        ({"lr_transfer_models": ["gpt_tiny", "gpt_xl"]}, "no two of gpt differ in n_embd alone or in n_layer alone"),
        ({"lr_transfer_models": ["lstm_tiny"]}, "no two of lstm differ"),
        ({"prompts": {"a/b": "X:1"}}, "config: prompts is 'a/b': must be names of letters, digits, _ and -"),
        ({"prompts": {"duet": None}}, "config: prompts.duet is None: must be a text"),
        ({"ngram_orders": [4, 4]}, "config: ngram_orders is .4, 4.: must be a list of different whole numbers"),
    ],
)
def test_a_wrong_config_is_one_sentence(config, change, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        study_config.check(merged(config, change))
    assert "\n" not in str(caught.value)


def test_runs_and_flags(config):
    assert study.runs(config)[:2] == ["gpt_tiny/131072-seed0", "gpt_tiny/131072-seed1"]
    assert len(study.runs(config)) == 80
    assert len(study.runs_at(config, [max(config["tokens"])])) == 20
    flags = study.train_flags(config, "gpt_tiny", learning_rate="0.5")
    assert "--n_embd 24 --n_head 2 --context_size 128" in flags
    assert "--learning_rate 0.5" in flags
    assert f"--learning_rate {config['learning_rates']['lstm']}" in study.train_flags(config, "lstm_xl")
    with pytest.raises(InputError, match="no model 'gpt' in the config"):
        study.train_flags(config, "gpt")


def test_gpus_are_whole_unless_they_are_to_be_shared(config):
    assert study.vram_mb(config, "gpt_tiny") == 0
    shared = config | {"share_gpus": True}
    assert 600 < study.vram_mb(shared, "gpt_tiny") < 1500 < study.vram_mb(shared | {"block_size": 65536}, "gpt_xl")
    config["models"]["long"] = config["models"]["gpt_xl"] | {"block_size": 65536}
    assert study.vram_mb(shared, "long") == study.vram_mb(shared | {"block_size": 65536}, "gpt_xl")


def test_code_of_a_job_is_what_it_imports_and_no_more():
    def names(*modules):
        return {path.relative_to(code_identity.SCRIPTS).as_posix() for path in code_identity.code_files(*modules)}

    train = names("train", "models/gpt")
    assert {
        "train.py",
        "models/gpt.py",
        "models/__init__.py",
        "training/optim.py",
        "evaluation/scoring.py",
        "base/files.py",
    } <= train
    assert not train & {"models/lstm.py", "eval_syntax.py", "sample.py", "plot_scaling.py"}
    modern = names("train", "models/modern")  # imports gpt through its package
    assert {"models/modern.py", "models/gpt.py", "models/layers/attention.py"} <= modern
    assert "models/lstm.py" not in modern
    fit = names("fit_scaling")
    assert {"fit_scaling.py", "laws/forms.py", "findings/verdict.py", "base/cli.py", "base/files.py"} <= fit
    assert not fit & {"training/run.py", "collect_runs.py", "plot_scaling.py", "figures/laws.py", "figures/look.py"}


BEFORE = """\"\"\"Says what it is.\"\"\"

import math

SIZE = 3


def area(r: float) -> float:
    \"\"\"Of a circle.\"\"\"
    return math.pi * r**2  # Euclid


class Round:
    \"\"\"A thing.\"\"\"

    name: str = ""
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Says what it is.", "Says it otherwise.", True),
        ('    """Of a circle."""\n', "", True),
        ("  # Euclid", "", True),
        ("math.pi * r**2", "(math.pi\n            * r ** 2)", True),
        ('    """A thing."""\n\n', "", True),
        ("r**2", "r**3", False),
        ("r**2", "r*2", False),
        ("SIZE = 3", "SIZE = 3.0", False),
        ("SIZE = 3", "SIZE = None", False),
        ('name: str = ""', 'name: str = "x"', False),
        ("r: float", "r: float = 0", False),
        ("return math.pi * r**2", 'return "Of a circle."', False),
    ],
)
def test_code_is_what_it_does(old, new, same):
    assert old in BEFORE
    before, after = (code_identity.plain(ast.parse(text)) for text in (BEFORE, BEFORE.replace(old, new, 1)))
    assert (before == after) == same


def test_no_module_imports_another_of_ours_where_the_digest_does_not_look():
    """In a function, or under a condition; but for the figures of fit_scaling --plot, which no rule asks for, and what
    only writing needs of a model, which `evaluate` and `sample` count in; `study` and `carry` run in no job."""
    found = set()
    for path in code_identity.SCRIPTS.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if node in tree.body or not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if f"{module}.".startswith(f"{code_identity.PACKAGE}."):
                found |= {(path.stem, alias.name) for alias in node.names}
        assert not any(isinstance(node, ast.Import) and "workflow" in node.names[0].name for node in ast.walk(tree))
    assert found == {
        *(("carry", name) for name in ("study", "study_config", "study_jobs", "differences")),
        ("fit_scaling", "laws"),
        ("fit_scaling", "surface"),
        ("fit_scaling", "save"),
        ("generate", "draw"),
        ("gpt", "TransformerDecoder"),
        ("lstm", "RecurrentDecoder"),
        ("study", "differences"),
    }
    assert code_identity.SCRIPTS / "kernels" / "decoder.py" in code_identity.code_files(
        "sample", "models/gpt", late=True
    )


def test_what_comes_from_the_command_line_as_text_is_what_the_schema_wants(config):
    texts = {"seeds": ["0", "1"], "keep_titles": "false", "temperature": "0", "tokens": "[16384, 32768]",
             "models": {"gpt_tiny": {"n_layer": "3"}}, "corpus_name": "12",
             "lr_transfer_rates": {"gpt": ["0.1"]}}  # fmt: skip
    found = study_config.typed(merged(config, texts))
    assert found["seeds"] == [0, 1]
    assert found["keep_titles"] is False
    assert found["temperature"] == 0
    assert found["tokens"] == [16384, 32768]
    assert found["models"]["gpt_tiny"]["n_layer"] == 3
    assert found["corpus_name"] == "12"
    assert found["lr_transfer_rates"]["gpt"] == [0.1]
    study_config.check(found)
    for wrong in ({"seeds": ["one"]}, {"keep_titles": "maybe"}, {"num_samples": "2.5"}, {"keep_titles": "1"}):
        with pytest.raises(InputError, match=f"config: {next(iter(wrong))}"):
            study_config.check(study_config.typed(merged(config, wrong)))


def test_what_a_study_will_lack_is_told(config):
    assert study_config.doubts(config) == []
    two = merged(config, {"suite": ["gpt_tiny", "gpt_small", "gpt_medium", "modern_tiny", "lstm_tiny", "lstm_xl"]})
    assert study_config.doubts(two) == [
        "the suite has one size of modern: a law needs three, so none will be fitted to it",
        "the suite has two sizes of lstm: a law needs three, so none will be fitted to it",
    ]
    (cut,) = study_config.doubts(config | {"warmup_steps": 200})
    assert cut.startswith("at 131072 tokens the rate rises for 200 steps, but the cooldown of a run of 128 begins")


@pytest.mark.parametrize("memory", [None, "contents.json"])
def test_a_folder_of_very_many_files_is_told_by_names_and_contents(config, tmp_path, monkeypatch, memory):
    monkeypatch.setattr(study, "MANY_FILES", 2)
    monkeypatch.setattr(contents, "SETTLED", 50_000_000)
    folder, mine = tmp_path / "raw", config | {"corpus": str(tmp_path / "raw")}
    digest = functools.partial(study.digest_of_many_files, mine, memory and tmp_path / memory)
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.abc", "b.abc"):
        (folder / name).write_text("X:1\nK:C\nC\n")
    assert [path.name for path in study.few_files(mine)] == ["a.abc", "b.abc"]
    assert digest() == ""
    (folder / "deep" / "er" / os.fsdecode(b"\xff.abc")).write_text("X:1\nK:C\nC\n")
    assert study.few_files(mine) == []
    before = digest()
    changes = [
        lambda: (folder / "deep" / "er" / "new.abc").write_text("X:1\nK:C\nC\n"),
        lambda: (folder / "deep" / "er" / "new.abc").rename(folder / "deep" / "new.abc"),
        lambda: (folder / "deep" / "new.abc").unlink(),
        lambda: (folder / "b.abc").write_text("X:1\nK:C\nD\n"),  # of the same size
        lambda: (folder / "b.abc").write_text("X:1\nK:C\nC\n"),
    ]
    told = []
    for change in changes:
        change()
        told.append(digest())
        assert digest() == told[-1]
    assert [known == before for known in told] == [False, False, True, False, True]
    assert told[0] != told[1]
    (folder / "a.abc").touch()
    assert digest() == before
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    shutil.move(tmp_path / "copy", folder)
    assert digest() == before


def test_of_very_many_files_only_what_changed_is_read_again(config, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "MANY_FILES", 2)
    mine, memory = config | {"corpus": str(tmp_path / "raw")}, tmp_path / "contents.json"
    (tmp_path / "raw").mkdir()
    for name in "abcd":
        (tmp_path / "raw" / f"{name}.abc").write_text(f"X:1\nK:C\n{name}\n")
        os.utime(tmp_path / "raw" / f"{name}.abc", (1, 1))
    read, settled = [], contents.SETTLED
    monkeypatch.setattr(contents, "sha256", lambda file: read.append(file.stem) or file.stem)
    for wait, wanted in ((settled, "abcd"), (0, "abcd"), (0, ""), (0, "b"), (0, "")):
        if wanted == "b":
            (tmp_path / "raw" / "b.abc").touch()
        monkeypatch.setattr(contents, "SETTLED", wait)  # at first all are too new to be sure of
        study.digest_of_many_files(mine, memory)
        assert "".join(read) == wanted
        read.clear()
    memory.write_text("{")
    study.digest_of_many_files(mine, memory)
    assert "".join(read) == "abcd"


def test_nothing_compiled_before_the_last_edit_of_compiled_code_is_run(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, text, second in (("a.py", "import numba", 20), ("b.py", "import numba", 10), ("c.py", "import os", 90),
                               ("__pycache__/a.nbc", "", 19), ("__pycache__/b.nbc", "", 21)):  # fmt: skip
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (second, second))
    code_identity.drop_stale_kernels(tmp_path)
    assert [path.name for path in cache.iterdir()] == ["b.nbc"]
