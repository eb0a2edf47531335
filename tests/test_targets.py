"""Targets that a study trains on more than one machine."""

import pytest

from workflow.scripts import study, study_config
from workflow.scripts.base.errors import InputError


def test_a_target_that_another_machine_trained_is_not_trained_again(tmp_path):
    config = study_config.read_study(None, [])
    results, recorded = tmp_path / "results", tmp_path / "docs"
    step = study_config.tokens_per_step(config, "gpt_wide")
    config |= {
        "recorded": str(recorded),
        "keep_recorded": True,
        "targets": {"gpt_wide": [2 * step, 9 * step + 1]},
        "target_seeds": [0, 1],
    }
    assert study.elsewhere(config, str(results), "targets") == ([], False)
    (recorded / "targets").mkdir(parents=True)
    table = recorded / "targets" / "runs.csv"
    wide = study.settings_for(config, "gpt_wide")
    rate = wide["learning_rate"]
    header = "model,tokens,seed,n_layer,n_embd,block_size,learning_rate\n"
    shape = f"{wide['n_layer']},{wide['n_embd']},{wide['block_size']}"
    table.write_text(f"{header}gpt_wide,{9 * step},1,{shape},{rate}\n")
    assert study.elsewhere(config, str(results), "targets") == ([f"gpt_wide/{9 * step + 1}-seed1"], True)
    config["learning_rates"]["gpt"] = rate * 1.01  # another recipe is another outcome
    assert study.elsewhere(config, str(results), "targets") == ([], True)
    config["learning_rates"]["gpt"] = rate
    here = results / "targets" / f"gpt_wide/{9 * step + 1}-seed1"
    here.mkdir(parents=True)
    (here / "config.json").touch()
    assert study.elsewhere(config, str(results), "targets") == ([], False)
    config["keep_recorded"] = False
    assert study.elsewhere(config, str(results), "targets") == ([], False)
    config["keep_recorded"] = True
    config["targets"] = {}  # what is on record goes on into the tables
    assert study.elsewhere(config, str(results), "targets") == ([], True)
    table.write_text("model,tokens\ngpt_wide,9\n")
    with pytest.raises(InputError, match=r"docs/targets/runs.csv is no table of runs .KeyError"):
        study.elsewhere(config, str(results), "targets")
