import pytest

from tests.conftest import ROOT
from workflow.scripts import models, study, study_config
from workflow.scripts.base.errors import InputError

LAKH = ROOT / "studies" / "lakh.yaml"


def read(*settings: str) -> dict:
    return study_config.read_study(LAKH, [*settings])


def sizes(config: dict) -> dict[str, int]:
    return {
        name: models.module_for(config["models"][name]["arch"]).count_params(study_config.shape_of(config, name, 100))[
            0
        ]
        for name in [*config["suite"], *config["targets"]]
    }


@pytest.mark.parametrize("scale", [0.3, 0.01, 0.001])
def test_a_scaled_study_has_the_same_runs_of_as_many_steps(scale):
    full, small = read(), read(f"scale={scale}")
    assert [run.split("/")[0] for run in study.runs(small)] == [run.split("/")[0] for run in study.runs(full)]
    for config, key in ((full, "full"), (small, "small")):
        steps = [schedule.steps for schedule in study_config.schedules(config).values()]
        assert steps == [375, 750, 1500, 3000], key
    assert len(study.trials(small)) == len(study.trials(full))
    assert len(set(study.trials(small))) == len(study.trials(small))


def test_sizes_and_tokens_shrink_by_the_scale():
    full, small = read(), read("scale=0.01")
    ratios = [b / a for a, b in zip(sizes(full).values(), sizes(small).values(), strict=True)]
    assert all(0.008 < ratio < 0.0125 for ratio in ratios)
    assert 0.008 < max(small["tokens"]) / max(full["tokens"]) < 0.0125
    for name in small["suite"]:
        shape = study_config.shape_of(small, name, 100)
        assert shape.n_embd % (2 * shape.n_head) == 0
        assert shape.n_layer == full["models"][name]["n_layer"]


def test_a_scaled_study_has_results_of_its_own_and_takes_none_on_record():
    small = study_config.read_study(ROOT / "studies" / "reference.yaml", ["scale=0.01"])
    assert small["pathvars"] == {"results": "results/reference/scale0.01"}
    assert small["recorded"] == ""
    assert study_config.read_study(None, ["scale=0.5"])["pathvars"] == {"results": "results/scale0.5"}
    assert "pathvars" not in study_config.read_study(None, [])


def test_models_of_other_windows_still_read_as_many_tokens_a_step():
    small = read("scale=0.003", "models={gpt_large: {batch_size: 8, grad_accum: 4}}")
    assert study_config.tokens_per_step(small, "gpt_large") == study_config.tokens_per_step(small, "gpt_tiny")


@pytest.mark.parametrize("scale", ["0", "-1", "2", "big"])
def test_a_scale_must_be_a_share(scale):
    with pytest.raises(InputError, match=r"config: scale is .*: must be a number above 0 and at most 1"):
        read(f"scale={scale}")
