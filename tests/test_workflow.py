"""The workflow as its users run it, on one book of tunes and the smallest models, in a copy of the repository."""

import json
import os
import re
import shutil

import pandas as pd
import pytest
import yaml

from tests import forked
from tests.conftest import ROOT
from tests.small_study import MODELS, STUDY, Study, another_value, copy_of
from workflow.scripts import watch
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus import options as corpus_options
from workflow.scripts.training import options as training_options
from workflow.scripts.writing import options as writing_options

pytestmark = pytest.mark.slow

WRITERS = MODELS + 2  # baselines write, too
TABLES = {"writing_table": 1, "runs_table": 1, "fit": 1, "plots": 1, "model_card": 1, "claims": 1}
JUDGES = {"judge": MODELS} | TABLES
EVALUATIONS = {"evaluate": MODELS} | JUDGES


def test_every_run_has_a_row_with_a_finite_loss(study):
    runs = pd.read_csv(study.folder / "results" / "runs.csv")
    assert len(runs) == 2 * MODELS
    assert runs["test_loss"].between(1, 4.8).all()
    assert runs["corpus"].nunique() == 1
    assert (runs["corpus_name"] == "raw").all()
    assert (study.folder / "results/captions/scaling_plot.md").read_text().endswith(" Corpus: raw.\n")
    assert runs.groupby("tokens").size().to_dict() == {4096: MODELS, 8192: MODELS}
    assert (runs[runs["tokens"] == 8192]["samples"] == 2).all()
    assert runs[runs["tokens"] == 4096]["valid_rate"].isna().all()
    assert (runs["trunk_seconds"] > 0).all()
    writing = pd.read_csv(study.folder / "results" / "writing.csv")
    prompts = writing["prompt"].fillna("").groupby(writing["writer"]).agg(set).to_dict()
    assert set(prompts) == {*runs["model"], "real", "ngram4"}
    assert prompts["real"] == prompts["ngram4"] == {""}
    assert prompts["gpt_a"] == prompts["lstm_a"] == {"", "key_and_meter", "two_voices", "title_and_rhythm"}
    for name in ("scaling_plot.pdf", "scaling_plot.png", "validity.pdf", "copying.pdf", "loss_places.pdf",
                 "strata.csv", "fit.json", "summary.md", "summary.html", "model_card.md", "captions/scaling_plot.md",
                 "tables/runs.tex"):  # fmt: skip
        assert (study.folder / "results" / name).stat().st_size > 500
    ngrams = pd.read_csv(study.folder / "results" / "baselines.csv")
    assert ngrams["order"].tolist() == [4]
    assert ngrams["loss"].between(0.5, 4).all()
    assert study.first.count("Select jobs to execute...") < 60


def test_an_architecture_of_one_size_has_no_law_and_stops_no_study(study):
    assert "warning: the suite has one size of lstm: a law needs three, so none will be fitted to it" in study.first
    fit = json.loads((study.folder / "results" / "fit.json").read_text())
    assert fit["groups"]["gpt"]["power"]["alpha"]
    assert fit["groups"]["lstm"]["power"] is None
    assert "power" in fit["groups"]["lstm"]["absent"]


def test_a_second_run_does_nothing(study):
    assert "Nothing to be done" in study.run()


def test_a_report_opens_on_the_findings_and_has_what_is_there_under_its_label(study):
    """Of a study of which a file is gone, too: one that was made in part; and with a figure that was asked for."""
    gone = study.folder / "results" / "strata.csv"
    kept = gone.rename(gone.with_suffix(".kept"))
    asked_for = study.folder / "results" / "lr_transfer.png"
    shutil.copy(study.folder / "results" / "scaling_plot.png", asked_for)
    try:
        assert "Report created" in study.run("--report", "report.html")
    finally:
        kept.rename(gone)
        asked_for.unlink()
    page = (study.folder / "report.html").read_text()
    (shown,) = re.findall(r"^\s*var results = (\{.*\});?$", page, re.MULTILINE)
    shown = json.loads(shown)
    names = {
        "lr_transfer",
        "scaling_plot",
        "loss_surface",
        "loss_curves",
        "loss_compute",
        "loss_places",
        "validity",
        "copying",
    }
    tables = {f"results/{name}" for name in ("runs.csv", "curves.csv", "writing.csv", "fit.json")}
    pictures = {f"results/{name}.png" for name in names} | {"data/corpora/raw/corpus.png"}
    assert set(shown) == tables | pictures | {"results/summary.html", "results/claims.html"}
    assert all(file["labels"] and file["caption"] for file in shown.values())
    (opening,) = re.findall(r"^\s*var workflow_desc = (\".*\");?$", page, re.MULTILINE)
    summary = (study.folder / "results" / "summary.md").read_text()
    assert summary.splitlines()[2].removeprefix("- ") in json.loads(opening)
    assert 'src="data:image/png;base64,' in json.loads(opening)


def test_watch_writes_the_table_once_where_nobody_looks(study, capsys):
    """Of a finished study; and of the default one, whose runs are known before they have a folder."""
    watch.main([str(study.folder / "results")])
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("8 runs: 4 judged, 4 scored; 100% of their ")
    losses = pd.read_csv(study.folder / "results/runs.csv").set_index(["model", "tokens"])["test_loss"]
    assert sorted(row.split()[0] for row in rows) == sorted(f"{m}/{t}-seed0" for m, t in losses.index)
    for row in rows:
        model, tokens = row.split("-seed")[0].split("/")
        assert f"{losses[model, int(tokens)]:.3f}" in row
    with pytest.raises(InputError, match="is no folder"):
        watch.main([str(study.folder / "nowhere")])
    assert len(watch.planned_in(ROOT / "results")) == 80


def test_a_copied_and_touched_study_is_up_to_date(study, tmp_path):
    """Copied with new times, in whatever order, and moved; then every file and folder is touched."""
    copy = copy_of(study, tmp_path / "copy", copy_function=shutil.copyfile)
    assert copy.planned() == {}
    copy.folder.rename(tmp_path / "moved")
    copy = Study(tmp_path / "moved")
    paths = sorted(path for path in copy.folder.rglob("*") if ".snakemake" not in path.parts)
    for age, path in enumerate(reversed(paths)):  # what is made from others is older than they are
        os.utime(path, (10**9 + age, 10**9 + age))
    assert copy.planned() == {}


def remarked(text: str) -> str:
    """A module with more said in it, and nothing else done."""
    return "# A remark.\n" + re.sub('^"""', '"""Once upon a time. ', text) + "\n\n# Another.\n"


def test_comments_and_docstrings_rerun_nothing(study):
    """In every module; of all at once, and of each by itself to say which, should there be one."""
    scripts = study.folder / "workflow" / "scripts"
    modules = [str(path.relative_to(scripts).with_suffix("")) for path in sorted(scripts.rglob("*.py"))]
    assert {"base/cli", "models/lstm", "kernels/decoder", "laws/line"} < set(modules)
    assert sum("Once upon a time" in remarked(study.module(name).read_text()) for name in modules) > len(modules) / 2
    if study.edited(*modules, change=remarked) != {}:
        assert {name: study.edited(name, change=remarked) for name in modules} == {name: {} for name in modules}
        raise AssertionError("each by itself reruns nothing, and all together something")


@pytest.mark.parametrize(
    ("module", "old", "new", "jobs"),
    [
        ("models/lstm", "/ self.width)", "* self.width)", dict.fromkeys(EVALUATIONS, 1) | {"train": 1}),
        ("writing/validity", "WORST = 5", "WORST = 6", {"judge": WRITERS} | TABLES),
        ("writing/generate", "ROWS = 16", "ROWS = 8", EVALUATIONS),
        ("models/layers/decoder", "c.vocab_size", "c.vocab_size + 0", EVALUATIONS),
        ("evaluation/perplexity", "round(6)", "round(5)", EVALUATIONS),
        ("sample_ngram", "default=8", "default=9", {"sample_ngram": 1, "judge": 1} | TABLES),
        ("laws/line", "** 2", "** 3", {"fit": 1, "plots": 1, "claims": 1}),
        ("figures/losses", "1.25 *", "1.35 *", {"plots": 1}),
        ("figures/look", '"font.size": 9', '"font.size": 8', {"plots": 1, "plot_corpus": 1}),
        ("figures/summary", "CEILING = 0.97", "CEILING = 0.98", {"plots": 1, "model_card": 1}),
    ],
)
def test_an_operator_reruns_exactly_the_jobs_that_run_it(study, module, old, new, jobs):
    assert study.edited(module, change=lambda text: text.replace(old, new, 1)) == jobs


def test_it_runs_again_what_reads_a_key_whatever_its_new_value(study):
    """Every key in turn, with a value that another key has if there is one that it may have."""
    default, mine = yaml.safe_load((ROOT / "config.yaml").read_text()), yaml.safe_load(STUDY)
    config = default | mine | {"models": default["models"] | mine["models"]}
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())["properties"]
    first_job = dict.fromkeys(corpus_options.CONFIG_OPTIONS, "prepare")
    first_job |= dict.fromkeys(training_options.CONFIG_OPTIONS, "train")
    first_job |= dict.fromkeys(writing_options.CONFIG_OPTIONS, "evaluate")
    first_job |= {"corpus_name": "prepare", "baseline_samples": "draw_real", "figure_width": "plot_corpus"}
    first_job |= {"data_dir": "prepare", "work_dir": None}
    first_job |= dict.fromkeys(
        ("threads_per_job", "device", "checkpoint_seconds", "tensorboard", "gpus_per_job", "share_gpus")
    )
    unused = ("lr_transfer_seed", "lr_transfer_tokens", "learning_rate_tokens", "ablation_tokens", "split_gap")
    first_job |= dict.fromkeys((*unused, "recorded", "keep_recorded", "train_missing", "corpus_from"))
    first_job |= {"block_size": "train", "scale": "train"}
    named = {
        "midi_flags": "-noly", "corpus_name": "other", "device": "cpu", "split_by": "md5", "tokenizer": "bpe",
        "parametrization": "standard", "split_gap": "md5", "compile": "never", "precision": "bfloat16",
        "recorded": "other", "corpus_from": "a shop", "data_dir": "other", "work_dir": "other",
    }  # fmt: skip
    of_parts = {"corpus", "suite", "tokens", "seeds", "models", "learning_rate", "learning_rates", "prompts",
                "ngram_orders", "lr_transfer_models", "lr_transfer_rates", "lr_horizons", "ablations",
                "learning_rate_exponents",
                "ablation_rates", "targets", "target_seeds", "split_gap_models", "longer", "longer_seeds"}  # fmt: skip
    assert {key for key, value in config.items() if key not in first_job or isinstance(value, dict | list)} <= of_parts
    changes = [(key, config[key], another_value(config, key, named)) for key in config if key not in of_parts]
    given = [("--config", f"{key}={x if isinstance(x, str) else json.dumps(x)}") for key, _, x in changes]
    wrong = [
        (*change, planned)
        for change, planned in zip(changes, study.each_planned(given), strict=True)
        if (first_job[change[0]] or "nothing") not in (planned or {"nothing": 0})
    ]
    assert wrong == []
    assert set(first_job) - {"learning_rate", "grad_accum"} <= set(config) <= set(schema)


def test_what_the_command_line_gives_as_text_works(study):
    seeds, changed, same = study.each_planned(
        [("--config", text) for text in ("seeds=[0,1]", "keep_titles=false", "keep_titles=true")]
    )
    assert seeds["train"] == MODELS
    assert changed["prepare"] == 1
    assert same == {}


def test_what_changes_no_result_runs_nothing_again(study):
    (study.folder / "reordered.yaml").write_text("tokens: [8192, 4096]\n")
    assert study.planned("--configfile", "study.yaml", "reordered.yaml") == {}


def test_a_longer_run_of_one_model_is_trained_alone_and_joins_the_table(study, tmp_path):
    copy = copy_of(study, tmp_path / "copy", symlinks=True)
    longer = ("--config", "longer={lstm_a: [16384]}", "--", "results/runs.csv")
    assert copy.planned(*longer) == {"train_longer": 1, "loss_of_longer": 1, "runs_table": 1}
    before, strata = (pd.read_csv(copy.folder / "results" / name) for name in ("runs.csv", "strata.csv"))
    copy.run(*longer)
    runs = pd.read_csv(copy.folder / "results" / "runs.csv").set_index(["model", "tokens"])
    new = runs.loc["lstm_a", 16384]
    assert len(runs) == len(before) + 1
    assert new["test_loss"] < runs.loc["lstm_a", 8192]["test_loss"]
    assert new["samples"] == 0
    pd.testing.assert_frame_equal(pd.read_csv(copy.folder / "results" / "strata.csv"), strata)


def test_a_budget_less_trains_nothing_and_one_more_trains_itself_alone(study, tmp_path):
    less = study.planned("--config", "tokens=[8192]")
    assert less == {"evaluate": MODELS, "judge": MODELS} | TABLES
    copy = copy_of(study, tmp_path / "copy", symlinks=True)
    before = {n: copy.weights(f"lstm_a/{n}-seed0") for n in (4096, 8192)}
    more = ("--config", "tokens=[4096,8192,16384]", "--", "results/models/lstm_a/16384-seed0/perplexity.json")
    assert copy.planned(*more) == {"train": 1, "evaluate": 1}
    copy.run(*more)
    log = (copy.folder / "results" / "logs" / "train" / "lstm_a-seed0.log").read_text()
    assert log.count("already holds this run") == 2
    assert "16,384 tokens (" in log
    assert "8,192 tokens done" not in log
    assert {n: copy.weights(f"lstm_a/{n}-seed0") for n in (4096, 8192)} == before


def test_runs_of_different_rates_share_no_trunk(study):
    (study.folder / "falling.yaml").write_text(
        "learning_rate_exponents: {lstm: 0.5}\n"
        "models: {lstm_b: {arch: lstm, n_layer: 1, n_embd: 10}}\n"
        "suite: [gpt_a, gpt_b, gpt_c, lstm_b]\n"
    )
    planned = study.planned("--configfile", "study.yaml", "falling.yaml")
    assert planned == {"train_alone": 2, "evaluate": 1, "judge": 1} | TABLES


def test_a_deleted_result_is_made_again(study):
    results = study.folder / "results"
    for name, jobs in (
        ("models/gpt_b/4096-seed0/perplexity.json", {"evaluate": 1}),
        ("models/gpt_b/8192-seed0/copying.json", {"judge": 1}),
        ("baselines/real/style.json", {"judge": 1}),
        ("models/gpt_b/4096-seed0/config.json", {"train": 1}),
        ("../data/corpora/raw/val.bin", {"prepare": 1}),
    ):
        (results / name).rename(results / "aside")
        try:
            assert jobs.items() <= study.planned().items(), name
        finally:
            (results / "aside").rename(results / name)
    assert study.planned() == {}


def test_one_model_is_rerun_alone(study):
    target = "results/models/gpt_b/8192-seed0/validity.json"
    again, another, shorter = study.each_planned(
        [
            ("--forcerun", "evaluate", "--", target),
            ("--config", "seeds=[5]", "--", target.replace("seed0", "seed5")),
            ("--", target.replace("8192", "4096")),
        ]
    )
    assert again == {"evaluate": 1, "judge": 1}
    assert another == {"train": 1, "evaluate": 1, "judge": 1}
    assert shorter == {"sample": 1, "judge": 1}


def test_figures_are_redrawn_without_models_or_training(study):
    results, aside = study.folder / "results", study.folder / "aside"
    results.rename(aside)
    results.mkdir()
    for name in ("runs.csv", "curves.csv", "strata.csv", "writing.csv", "fit.json"):
        shutil.copy(aside / name, results)
    try:
        assert study.planned("figures") == {"figures": 1}
        assert study.planned("redraw") == {"redraw": 1}
        study.run("figures")
        for name in ("scaling_plot.pdf", "loss_places.png", "validity.png", "copying.pdf"):
            assert (results / name).read_bytes() == (aside / name).read_bytes()
        assert not (results / "models").exists()
    finally:
        shutil.rmtree(results)
        aside.rename(results)


def test_it_runs_from_another_folder(study, tmp_path):
    shutil.copytree(study.folder / "data" / "raw", tmp_path / "data" / "raw")
    done = forked.run(
        "-m", "snakemake", "--cores", "1", "--snakefile", study.folder / "Snakefile", "--configfile",
        study.folder / "study.yaml", "--", "results/models/gpt_a/8192-seed0/history.csv", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    weights = "results/models/gpt_a/8192-seed0/model.safetensors"
    assert (tmp_path / weights).read_bytes() == study.weights("gpt_a/8192-seed0")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--config", "n_layers=3"], "config: unknown key 'n_layers'"),
        (["--config", "beta1=1"], "config: beta1 is 1: must be a number of at least 0 and below 1"),
        (["--config", "keep_titles=maybe"], "config: keep_titles is 'maybe': must be true or false"),
        (["results/models/gpt_z/8192-seed0/perplexity.json"], "no model 'gpt_z' in the config"),
        (["--config", "corpus=data/nothing"], "data/nothing: no such file or folder"),
        (["--config", "data_dir=Snakefile"], "config: with this data_dir the corpus is Snakefile/corpora/raw: /"),
        (["--config", "work_dir=$NOT_SET/a"], "config: work_dir is '$NOT_SET/a', and NOT_SET is not set"),
        (["--config", "corpus=profiles"], "profiles holds no .abc, .mid or .midi file"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_touches_nothing(study, args, sentence):
    before = (study.folder / "results" / "runs.csv").read_bytes()
    done = study.ask(*args)
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr
    assert (study.folder / "results" / "runs.csv").read_bytes() == before
