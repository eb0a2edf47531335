"""From what the judges write of a folder of tunes to its rows."""

import shutil

import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts import collect_writing, copy_index, copying, draw_real, eval_style, eval_syntax
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.writing.samples import Drawn, write_samples


@pytest.fixture(scope="module")
def baseline(corpus_dir, tmp_path_factory):
    """A folder of judged real tunes."""
    folder = tmp_path_factory.mktemp("study") / "real"
    copy_index.main(["--data_dir", str(corpus_dir), "--output", str(folder.parent / "index")])
    samples = str(folder / "samples")
    draw_real.main(["--data_dir", str(corpus_dir), "--output_dir", samples, "--num_samples", "5"])
    eval_syntax.main(["--folder", samples, "--steps", "syntax", "rhythm", "--json", str(folder / "validity.json")])
    copying.main(
        ["--folder", samples, "--index", str(folder.parent / "index"), "--output", str(folder / "copying.json")]
    )
    eval_style.main(["--folders", samples, "--data_dir", str(corpus_dir), "--output", str(folder / "style.json")])
    return folder


def test_a_baseline_has_one_row_of_what_was_found(baseline, tmp_path):
    collect_writing.main(["--folders", str(baseline), "--output", str(tmp_path / "writing.csv")])
    (row,) = pd.read_csv(tmp_path / "writing.csv").to_dict("records")
    validity, style, copied = (read_json(baseline / f"{name}.json") for name in ("validity", "style", "copying"))
    style = style["folders"]["samples"]
    assert [*row] == [*pd.read_csv(ROOT / "docs/default-study/writing.csv").columns]
    assert (row["writer"], row["samples"]) == ("real", 5)
    for name in ("arch", "params_non_embedding", "tokens", "seed", "prompt", "music21_rate"):
        assert pd.isna(row[name]), name
    for name in ("syntax", "rhythm"):
        assert row[f"{name}_rate"] == validity["rates"][name]["rate"] == style["rates"][name]["rate"]
        assert [row[f"{name}_low"], row[f"{name}_high"]] == validity["rates"][name]["ci95"]
        assert row[f"{name}_n"] == validity["rates"][name]["n"]
    bars = validity["bars"]["bars_right"]
    assert [row[f"bars_right_{part}"] for part in ("rate", "low", "high", "n")] == [
        bars["rate"], *bars["ci95"], bars["n"]
    ]  # fmt: skip
    assert row["music21_n"] == 0
    assert row["ended_rate"] == style["rates"]["ended"]["rate"]
    assert row["in_key"] == style["means"]["in_key"]["mean"]
    assert row["pitch_class_overlap"] == style["distances"]["pitch_class"]["overlap"]
    assert row["copied_rate"] == copied["summary"]["copied"]["rate"]
    assert row["originality"] == copied["summary"]["originality"]["median"]


def test_a_model_has_a_row_for_each_prompt_too(baseline, corpus_dir, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(baseline, folder)
    shutil.copy(trained["gpt"] / "config.json", folder)
    header = "X:1\nT:a\nM:4/4\nL:1/4\nK:G\n"
    write_samples(folder / "prompted" / "duet", "some", [Drawn(header, "CDEF|", True), Drawn(header, "CD]EF|(", False)])
    eval_style.main(["--folders", str(folder / "samples"), str(folder / "prompted" / "duet"),
                     "--data_dir", str(corpus_dir), "--output", str(folder / "style.json")])  # fmt: skip
    collect_writing.main(["--folders", str(folder), str(baseline), "--output", str(tmp_path / "writing.csv")])
    rows = pd.read_csv(tmp_path / "writing.csv")
    assert rows["writer"].tolist() == ["gpt_test", "gpt_test", "real"]
    assert rows["prompt"].fillna("").tolist() == ["", "duet", ""]
    config = read_json(trained["gpt"] / "config.json")["training"]
    assert (rows["tokens"][:2] == config["tokens"]).all()
    assert (rows["params_non_embedding"][:2] == config["params_non_embedding"]).all()
    duet = rows.iloc[1]
    assert (duet["syntax_rate"], duet["rhythm_rate"], duet["ended_rate"], duet["samples"]) == (0.5, 1, 0.5, 2)
    assert pd.isna(duet["copied_rate"])


def test_a_spoilt_result_names_its_folder(baseline, tmp_path):
    shutil.copytree(baseline, tmp_path / "real")
    write_json(tmp_path / "real" / "style.json", {"folders": {}})
    with pytest.raises(Exception, match=f"{tmp_path / 'real'}: its results are not what the judges write"):
        collect_writing.main(["--folders", str(tmp_path / "real"), "--output", str(tmp_path / "writing.csv")])
    assert not (tmp_path / "writing.csv").exists()
