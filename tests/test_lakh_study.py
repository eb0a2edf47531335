import pytest

from tests.conftest import ROOT
from workflow.scripts import models, study, study_config
from workflow.scripts.base.errors import InputError

LAKH = ROOT / "studies" / "lakh.yaml"


def test_the_lakh_study_has_the_sizes_it_names():
    config = study_config.read_study(LAKH, [])
    found = {
        name: models.module_for(config["models"][name]["arch"]).count_params(study_config.shape_of(config, name, 100))[
            0
        ]
        for name in [*config["suite"], *config["targets"]]
    }
    of_gpt = [found[f"gpt_{size}"] for size in ("tiny", "small", "medium", "large", "xl", "xxl")]
    assert of_gpt == [983_040, 6_291_456, 25_165_824, 84_934_656, 301_989_888, 737_280_000]
    for size in ("tiny", "small", "medium", "large"):
        assert found[f"lstm_{size}"] == pytest.approx(found[f"gpt_{size}"], rel=0.002)


def test_its_seeds_are_fewer_for_larger_models():
    config = study_config.read_study(LAKH, [])
    runs = [run.split("/")[0] for run in study.runs_at(config, [98304000])] + [*config["targets"]]
    for arch, counts in {"gpt": [3, 3, 3, 2, 1, 1], "lstm": [3, 3, 3, 2]}.items():
        names = [f"{arch}_{size}" for size in ("tiny", "small", "medium", "large", "xl", "xxl")][: len(counts)]
        assert [runs.count(name) for name in names] == counts


def test_a_model_has_seeds_of_its_own():
    config = study_config.read_study(None, []) | {
        "suite": ["gpt_tiny", "gpt_small"],
        "tokens": [100, 200],
        "seeds": [4, 5],
    }
    config["models"]["gpt_small"]["seeds"] = [7]
    assert study.runs(config) == [
        "gpt_tiny/100-seed4", "gpt_tiny/100-seed5", "gpt_tiny/200-seed4", "gpt_tiny/200-seed5",
        "gpt_small/100-seed7", "gpt_small/200-seed7",
    ]  # fmt: skip
    assert study.first_runs(config) == ["gpt_tiny/200-seed4", "gpt_small/200-seed7"]
    config["models"]["gpt_small"]["seeds"] = [config["lr_transfer_seed"]]
    with pytest.raises(InputError, match="lr_transfer_seed is one of the seeds of gpt_small"):
        study_config.check(config)


def test_an_absent_corpus_is_told_with_how_to_get_it(tmp_path):
    lakh = study_config.read_study(LAKH, ["corpus=nowhere/lmd_full.tar.gz"])
    with pytest.raises(InputError) as raised:
        study.source_away(lakh, str(tmp_path / "lmd_full"))
    sentence = str(raised.value)
    assert sentence.startswith("nowhere/lmd_full.tar.gz: no such file or folder: download lmd_full.tar.gz (1.77 GB) of")
    assert "https://colinraffel.com/projects/lmd/" in sentence
    assert sentence.endswith("or name another corpus with --config corpus=PATH")
    assert "\n" not in sentence
