"""The page on a study with a registered forecast, at every stage that its record may be at."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from tests import reference_study
from tests.conftest import ROOT
from workflow.scripts import write_reference
from workflow.scripts.base.amounts import short
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.findings import crossings
from workflow.scripts.manual.reference_forecast import crossing_words
from workflow.scripts.manual.reference_settings import precision_words
from workflow.scripts.training.cost import DEVICES

OFF = (0.003, -0.012, -0.002, 0.15)  # of the forecasts, in the order of their targets


def written(folder) -> str:
    """The page on what is in a folder, written beside it."""
    original = ROOT / "docs/original-study"
    output = folder / "README.md"
    write_reference.main(["--tables", str(folder), "--original", str(original), "--output", str(output)])
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """The record of a study whose forecast is registered, and nothing more."""
    folder = reference_study.base(tmp_path_factory.mktemp("registered") / "study")
    reference_study.register(folder)
    return folder


@pytest.fixture(scope="module")
def finished(registered, tmp_path_factory):
    """The same with all that comes after, and the page on it."""
    folder = shutil.copytree(registered, tmp_path_factory.mktemp("finished") / "study")
    reference_study.measure(folder, OFF)
    reference_study.rates(folder)
    reference_study.ablations(folder)
    (folder / "summary.md").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossings, "DRAWS", 20)
        return folder, written(folder)


@pytest.fixture
def quick(monkeypatch):
    """Few draws, no best size, and nothing of the original study."""
    monkeypatch.setattr(crossings, "DRAWS", 20)
    monkeypatch.setattr(write_reference, "FURTHER", 0)
    monkeypatch.setattr(write_reference, "original", lambda folder: ({}, None))


def part(text: str, heading: str) -> str:
    """What is under a heading."""
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_forecast_is_beside_its_outcome(finished):
    folder, text = finished
    scored = read_json(folder / "forecast.json")["registrations"][0]["targets"]
    lines = part(text, "The forecast").splitlines()
    for target, off in zip(scored, OFF, strict=True):
        start = next(i for i, line in enumerate(lines) if line.startswith(f"| {target['model']}:"))
        rows = lines[start : start + len(target["laws"]) + 1]
        assert f"| {target['observed']:.4f} |" in rows[0]
        (told,) = (row for row in rows if "**" in row)
        low, high = target["pi95"]
        where = "inside" if low <= target["observed"] <= high else "outside"
        assert f"**{target['loss']:.4f}** | **[{low:.4f}, {high:.4f}]** | **{off:+.2%}** | **{where}** |" in told
        for row, law in zip(rows, target["laws"].values(), strict=False):
            assert f"{law['loss']:.4f}" in row
            assert f"{law['error']:+.2%}" in row


def test_a_law_outside_its_interval_is_told_so(finished):
    folder, text = finished
    scored = read_json(folder / "forecast.json")["registrations"][0]["targets"]
    laws = [law for target in scored for law in target["laws"].values()]
    out, held = sum(not law["inside"] for law in laws), sum(target["inside"] for target in scored)
    assert 0 < out < len(laws)
    assert f"Of 4 measured runs {held} {'is' if held == 1 else 'are'} inside the interval of the law told" in text
    assert f"As if each law were right, {out} of {len(laws)} forecasts are outside their intervals: " in text
    assert "the coupled law of lstm_muon_408" in text
    assert "Registered forecasts at up to 45 times the compute: off by at most 15.0% (LSTM) and at most 1.2%" in text
    assert f"{held} of 4 inside their 95% intervals." in text


def test_it_says_what_a_forecast_rests_on(finished):
    folder, text = finished
    one = read_json(folder / "registered.json")["registrations"][0]
    assert f"Made 2030-01-02 at commit `{reference_study.COMMIT[:7]}`, from {len(one['runs'])} runs" in text
    assert f"`{one['table_sha256'][:7]}…`) on the corpus `{one['corpus'][:7]}…`" in text
    assert f"as commit `{reference_study.COMMIT[::-1][:7]}` of 2030-01-02 has it." in text


def test_how_far_seeds_are_apart_is_beside_the_errors(finished):
    folder, text = finished
    logs = np.log(
        pd.read_csv(folder / "runs.csv").pivot_table(index=["model", "tokens"], columns="seed", values="test_loss")
    )
    assert logs.shape == (40, 2)
    spread = np.sqrt((np.diff(logs) ** 2 / 2).mean())
    assert (
        f"their seed alone are {spread:.2%} of their loss apart (standard deviation over 40 pairs of N and D)." in text
    )


def test_exponents_are_those_of_the_fits_and_of_the_papers(finished):
    folder, text = finished
    rows = part(text, "Exponents beside others")
    law = read_json(folder / "fit.json")["groups"]["modern"]["chinchilla"]
    values = " | ".join(f"{law[key]:.3f} [{law['ci95'][key][0]:.3f}, {law['ci95'][key][1]:.3f}]"
                        for key in ("alpha", "beta", "E"))  # fmt: skip
    assert f"| this study, Transformer | Chinchilla's law | {values} | nats a character |" in rows
    for paper in pd.read_csv(folder / "published.csv").to_dict("records"):
        row = next(line for line in rows.splitlines() if f"abs/{paper['arxiv']}" in line)
        for key in ("alpha", "beta", "E"):
            assert np.isnan(paper[key]) or f"| {paper[key]:g} |" in row
    assert "| the original study, gpt logs, without its largest | a power law | 0.105 [0.042, 0.169] |" in rows
    assert "not printed | not printed | not printed" in next(row for row in rows.splitlines() if "MuPT" in row)


def test_best_sizes_and_crossings_are_those_of_its_file(finished):
    folder, text = finished
    found = read_json(folder / "derived.json")
    for arch, name in (("lstm_muon", "LSTM"), ("modern", "Transformer")):
        assert len(found["best_for"][arch]) == 3
        for one in found["best_for"][arch]:
            row = next(line for line in text.splitlines() if line.startswith(f"| {name} | {one['flops']:.2g} |"))
            assert f"| {one['tokens'] / one['params']:.1f} |" in row
    share = found["crossings"]["size"]["share_of_draws"]
    assert found["crossings"]["size"]["at"] is None
    assert f"the LSTM is ahead throughout by the fit ({share:.0%} of draws cross there)." in text
    assert found["with_targets"]["flops"] != found["crossings"]["flops"]
    assert "With the forecast runs in the fit: along the best sizes" in text
    one = found["crossings"]["flops"]["at_largest"]
    high, low = (-end for end in one["ci95"]) if one["gap"] < 0 else one["ci95"][::-1]
    assert one["ahead"] == "lstm_muon"
    assert f"measured at, the LSTM is ahead by {abs(one['gap']):.3f} nats, 95% [{low:.3f}, {high:.3f}]." in text


def test_settings_are_told_as_their_intervals_allow(finished):
    text = part(finished[1], "Settings")
    assert "Better by more than 0.02 nats at no more than 1.1 times the FLOP: context 512 (-0.0300 [-0.0320," in text
    assert "; the whole interval is beyond that." in text
    assert "No setting tried beats the base by more than 0.02 nats" in text
    assert "bfloat16 changes the loss by less than 0.003: +0.0001 [-0.0004, +0.0006]." in text
    assert "bfloat16 changes the loss by more than 0.003: +0.0060 [+0.0040, +0.0080]." in text
    assert "### Transformer: beside modern_200k" in text


def test_rates_of_learning_are_told(finished):
    folder, text = finished
    moves = read_json(folder / "lr_transfer.json")["archs"]["modern"]
    factor = moves["width"]["optimum_moves_by_factor"]
    assert f"- Transformer: from 24 to 96 units of width the best rate moves by a factor of {factor:.2f}." in text
    assert "- Transformer: from 262k to 1.05M tokens the best rate moves by a factor of 1.00" in text
    assert "1 seed at each rate" in text


def test_rates_of_what_is_written_are_pooled_over_seeds(finished):
    folder, text = finished
    writing = pd.read_csv(folder / "writing.csv")
    later = pd.read_csv(folder / "targets/writing.csv")
    largest = later[later["arch"] == "lstm_muon"].sort_values("params_non_embedding")["writer"].iloc[-1]
    ends = []
    for rows, model, size in ((writing, "lstm_muon_tiny", "12.8k"), (later, largest, "1.33M")):
        own = rows[(rows["writer"] == model) & rows["prompt"].isna()]
        n = int(own["syntax_n"].sum())
        count = round((own["syntax_rate"] * own["syntax_n"]).sum())
        low, high = wilson(count, n)
        drawn = f"{size} | {short(own['tokens'].max())} | {own['samples'].sum()}"
        assert f"| LSTM | {drawn} | {count / n:.0%} [{low:.0%}, {high:.0%}] |" in text
        ends.append((low, high))
    (_, top), (bottom, _) = ends
    way = "rises" if bottom > top else "cannot be told apart"
    assert re.search(rf"- LSTM:.* {way}: [^;]*\*grammar kept\*", text)


def test_a_rate_that_rises_beyond_its_intervals_is_told(finished, tmp_path, quick):
    folder = shutil.copytree(finished[0], tmp_path / "study")
    writing = pd.read_csv(folder / "targets/writing.csv")
    writing.assign(syntax_rate=1.0, ended_rate=0.0).to_csv(folder / "targets/writing.csv", index=False)
    text = written(folder)
    [said] = re.findall("- LSTM: rises: .*", text)
    told = dict(part.split(": ", 1) for part in said.removeprefix("- LSTM: ").removesuffix(".").split("; "))
    assert "*grammar kept*" in told["rises"]
    assert "*ended by its writer*" in told["falls"]


def test_hours_count_a_trunk_once(finished):
    folder, text = finished
    runs = pd.read_csv(folder / "runs.csv")
    once = (runs["seconds"] - runs["trunk_seconds"]).sum()
    once += runs.groupby(["model", "seed"])["trunk_seconds"].max().sum()
    assert f"| runs of the fit | 80 | {once / 3600:.2f} |" in text
    assert "| forecast runs | 4 | 4.00 |" in text
    assert "| other settings | 6 | 0.20 |" in text
    trials = len(pd.read_csv(folder / "lr_transfer.csv"))
    assert f"| learning rates | {trials} | {trials / 60:.2f} |" in text


def test_hours_of_a_card_are_computed(finished):
    text = part(finished[1], "What is known now, what is not, and what a GPU would add")
    hours = 6 * 738e6 * 20 * 738e6 / (DEVICES["h100"].tflops["bfloat16"] * 1e12 * 0.35) / 3600
    assert (
        f"738M parameters, on 14.8B tokens | 6.5e+19 | {hours * 989 / 71 / 24:,.0f} days | {hours:.3g} hours |" in text
    )
    assert "Known: registered forecasts at up to 45 times the compute: off by at most 15.0%" in text


def test_the_corpus_is_told_with_its_digest(finished):
    folder, text = finished
    corpus = read_json(folder / "corpus.json")
    assert f"{corpus['tunes']:,} tunes of {corpus['files']:,} files kept" in text
    assert f"SHA-256 `{corpus['content_sha256']}`" in text
    assert corpus["sources"][0]["licence"] in text
    assert "[data/README.md](../../data/README.md)" in text


def test_pictures_are_there_and_it_is_plain(finished):
    folder, text = finished
    for name in re.findall(r"\]\(([\w.]+)\)", text):
        assert (folder / name).exists(), name
    assert (folder / "forecast.png").stat().st_size > 10000
    for word in ("—", "nan", "None", "{", "not recorded yet"):
        assert word not in text


def test_before_the_runs_it_says_so(registered, tmp_path, quick):
    folder = shutil.copytree(registered, tmp_path / "study")
    text = written(folder)
    assert "- Forecasts registered 2030-01-02; the runs come next." in text
    assert "None of these runs is measured yet." in text
    assert text.count("| not run yet |") == 4
    assert "Not known yet: whether the laws hold at 45 times the compute." in text
    for what in (
        "No trials of learning rates are",
        "No trials of other settings are",
        "What the forecast runs write is",
    ):
        assert re.search(rf"{what}( not)? recorded yet\.", text)
    assert "| forecast runs |  | not recorded |" in text
    assert "lr_transfer.png" not in text
    assert "None " not in text.replace("None of these runs", "")
    assert read_json(folder / "derived.json")["with_targets"] is None


def test_of_some_runs_it_says_how_many_are_missing(registered, tmp_path, quick):
    folder = shutil.copytree(registered, tmp_path / "study")
    reference_study.measure(folder, OFF[:1])
    text = written(folder)
    assert "off by +0.3% (Transformer), inside its 95% interval; 3 of 4 runs are not measured yet." in text
    assert "Of 1 measured run 1 is inside the interval of the law told." in text
    assert text.count("3 of 4 runs are not measured yet.") == 2


def test_every_registration_is_there_with_its_reason(registered, tmp_path, quick):
    folder = shutil.copytree(registered, tmp_path / "study")
    document = reference_study.register(folder, reason="a corrected rate.")
    document["registrations"][1]["targets"][0]["after_outcome"] = True
    write_json(folder / "registered.json", document)
    text = written(folder)
    assert "### Registration 1 of 2" in text
    assert "### Registration 2 of 2" in text
    assert "Why it was made again: a corrected rate." in text
    assert "Trained before it was registered, and so no forecast: modern_128." in text


def test_without_any_registration_the_rest_is_there(tmp_path, quick):
    folder = reference_study.base(tmp_path / "study")
    for name in ("published.csv", "corpus.json", "corpus.png", "writing.csv"):
        (folder / name).unlink()
    text = written(folder)
    assert "- No forecast is registered." in text
    assert "No forecast is registered yet." in text
    assert "`published.csv` is not there: rows of papers are left out." in text
    assert "`corpus.json` is not recorded yet." in text
    assert "Nothing that the models write is recorded yet." in text
    assert "| this study, LSTM | Kaplan's law |" in text
    assert (folder / "forecast.png").exists()


def test_a_crossing_and_a_gap_are_told_as_their_intervals_allow():
    names = {"modern": "Transformer", "lstm_muon": "LSTM"}
    found = {"at": 3.7e13, "ci95": [1.9e13, None], "share_of_draws": 0.93, "within_measured": False,
             "looked_at": [2e11, 1.2e15], "ahead_below": "lstm_muon", "laws": {},
             "at_largest": {"at": 2.6e13, "gap": -0.004, "ahead": "lstm_muon", "ci95": [-0.013, 0.006]}}  # fmt: skip
    assert crossing_words(found, "flops", names) == (
        "Along the best sizes for their FLOP the two cross near C = 3.7e+13, 95% [1.9e+13, beyond the range], which is"
        " beyond what both were measured at; below it the LSTM is ahead (93% of draws cross there, from 2e+11 to"
        " 1.2e+15). At C = 2.6e+13, the largest that both were measured at, they cannot be told apart (a gap of 0.004"
        " nats, whose 95% holds zero)."
    )
    found["at_largest"] |= {"gap": 0.5, "ahead": "modern", "ci95": [0.4, 0.6]}
    assert "the Transformer is ahead by 0.500 nats, 95% [0.400, 0.600]." in crossing_words(found, "flops", names)
    sizes = found | {"tokens": 4194304, "at": 677089.8, "ci95": [None, 7e5], "within_measured": True}
    assert crossing_words(sizes, "size", names).startswith(
        "At equal N and 4.19M tokens the two cross near N = 677k, 95% [beyond the range, 700k]; below it the LSTM is"
    )


@pytest.mark.parametrize(("ends", "words"), [([-0.002, 0.001], "by less than"), ([-0.002, 0.004], "do not decide"),
                                             ([-0.009, -0.004], "by more than")])  # fmt: skip
def test_a_precision_is_told_as_its_interval_allows(ends, words):
    assert words in precision_words({"difference": sum(ends) / 2, "difference_ci95": ends})
