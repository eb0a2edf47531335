"""A pack holds what its jobs read, in the order of their worth, and they read the same there as here."""

import numpy as np
import pytest

from workflow.scripts import carry, study, study_config, study_jobs
from workflow.scripts.base.errors import InputError
from workflow.scripts.carrying import archive, pack
from workflow.scripts.corpus.dataset import Corpus, Split
from workflow.scripts.training.batches import deal
from workflow.scripts.training.options import TrainingOptions


def config_of(**changes):
    return study_config.read_study(None, []) | {"suite": ["gpt_tiny", "lstm_tiny"], "seeds": [0, 1]} | changes


def packed(jobs, corpus, **others):
    known = {
        "study": "", "settings": [], "commit": "c", "code": {job.arch: "d" for job in jobs}, "results": "results",
        "data": "data/corpora/book", "corpus": corpus.content_sha256, "machine": {"--threads": "1"},
        "sample_flags": "", "prompts": [], "jobs": jobs,
    }  # fmt: skip
    return pack.Pack(**known | others)


@pytest.mark.parametrize(("lanes", "reads"), [(3, 1), (3, 17), (4, 40), (2, 333), (7, 90)])
def test_the_tunes_that_a_run_draws_are_those_that_its_batches_are_cut_from(lanes, reads):
    """Each tune's tokens are its number, so that the batches tell which tunes they are of."""
    lengths = np.random.default_rng(1).integers(1, 9, size=40)
    split = Split(np.repeat(np.arange(40), lengths), np.concatenate([[0], np.cumsum(lengths)]))
    for seed in range(3):
        found = pack.drawn_by(split, seed, lanes, reads)
        assert set(np.flatnonzero(found)) == set(deal(split, seed, lanes, range(lanes), 0, reads).ravel())


def test_runs_read_the_same_of_a_corpus_that_was_packed(corpus_dir, tmp_path):
    config, corpus = config_of(tokens=[4096, 8192]), Corpus.load(corpus_dir)
    jobs = study_jobs.jobs_of(config, corpus.tokenizer.vocab_size, ["models"], seeds=[1])
    said = pack.write(tmp_path / "pack", packed(jobs, corpus), corpus, 64)
    assert "2 jobs of 4 runs" in said
    pack.open_pack(tmp_path / "pack", tmp_path / "work")
    there = Corpus.load(tmp_path / "work/data/corpora/book")
    before, after = corpus.split("train"), there.split("train")
    assert 0 < np.count_nonzero(after.tokens) < np.count_nonzero(before.tokens)
    step = TrainingOptions(model_name="x", batch_size=config["batch_size"], context_size=config["block_size"])
    reads = round(8192 / step.tokens_per_step) * config["block_size"] + 1
    lanes = range(step.windows_per_step)
    expected = deal(before, 1, len(lanes), lanes, 0, reads)
    assert (deal(after, 1, len(lanes), lanes, 0, reads) == expected).all()
    for name in ("val", "test"):
        assert (there.split(name).tokens == corpus.split(name).tokens).all()
        assert there.listed(name) == corpus.listed(name)


def test_a_pack_that_is_too_large_says_what_would_fit(corpus_dir, tmp_path, monkeypatch):
    corpus = Corpus.load(corpus_dir)
    jobs = study_jobs.jobs_of(config_of(tokens=[65536]), corpus.tokenizer.vocab_size, ["models"])
    monkeypatch.setattr(pack, "MB", 64)
    with pytest.raises(InputError, match=r"more than --limit_mb 64, with .* training tokens: about [\d,]+ would fit"):
        pack.write(tmp_path / "pack", packed(jobs, corpus), corpus, 64)
    assert not (tmp_path / "pack").exists()


def test_a_folder_of_another_corpus_is_refused(corpus_dir, tmp_path):
    corpus = Corpus.load(corpus_dir)
    jobs = study_jobs.jobs_of(config_of(), corpus.tokenizer.vocab_size, ["models"])
    pack.write(tmp_path / "pack", packed(jobs, corpus), corpus, 64)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / pack.HEAD).write_text('{"corpus": "another", "files": {}}')
    with pytest.raises(InputError, match="runs on another corpus"):
        pack.open_pack(tmp_path / "pack", tmp_path / "work")
    archive.write(tmp_path / "odd", pack.HEAD, packed(jobs, corpus, results="../x").to_dict(), {}, **archive.QUICK)
    with pytest.raises(InputError, match="is no folder below"):
        pack.open_pack(tmp_path / "odd", tmp_path / "elsewhere")


def test_jobs_come_in_the_order_of_their_worth_and_are_told_what_the_rules_tell():
    config = config_of(
        suite=["lstm_xl", "gpt_tiny"], seeds=[3, 1], tokens=[131072, 262144], targets={"gpt_xl": [524288]},
        longer={"gpt_tiny": [524288]}, longer_seeds=[1], lr_transfer_models=["gpt_wide"],
    )  # fmt: skip
    jobs = study_jobs.jobs_of(config, 90, study_jobs.KINDS)
    trials, others = [job for job in jobs if job.is_trial], [job for job in jobs if not job.is_trial]
    assert jobs == [*trials, *others]
    assert [(job.model, job.seed, list(job.runs.values()), bool(job.writes)) for job in others] == [
        ("gpt_tiny", 3, [131072, 262144], True),
        ("lstm_xl", 3, [131072, 262144], True),
        ("gpt_tiny", 1, [131072, 262144], True),
        ("gpt_tiny", 1, [524288], False),
        ("lstm_xl", 1, [131072, 262144], True),
        ("gpt_xl", 0, [524288], True),
    ]
    assert {job.flags for job in others if job.model == "lstm_xl"} == {study.train_flags(config, "lstm_xl")}
    assert [job.split for job in (trials[0], others[0])] == ["val", "test"]
    assert [next(iter(job.runs)) for job in trials] == [f"lr_transfer/{run}" for run in study.trials(config)]
    rate = trials[-1].flags.split("--learning_rate ")[1].split()[0]
    assert next(iter(trials[-1].runs)).endswith(f"-lr{rate}")
    assert [job.seed for job in study_jobs.jobs_of(config, 90, ["models"], only=["lstm_xl"], seeds=[1])] == [1]


def test_models_without_a_trunk_are_a_job_for_each_budget():
    config = config_of(tokens=[131072, 262144], seeds=[0], learning_rate_exponents={"lstm": 0.4})
    jobs = study_jobs.jobs_of(config, 90, ["models"])
    found = {(job.model, tuple(job.runs.values())): job.flags for job in jobs}
    assert set(found) == {("gpt_tiny", (131072, 262144)), ("lstm_tiny", (131072,)), ("lstm_tiny", (262144,))}
    assert found["lstm_tiny", (131072,)] == study.train_flags(config, "lstm_tiny", 131072)


def test_results_that_lie_elsewhere_are_refused_before_anything_travels(tmp_path):
    asked = ["pack", "--config", f"pathvars={{results: {tmp_path}}}", "--output", str(tmp_path / "pack")]
    with pytest.raises(InputError, match="has its results in a folder below this one"):
        carry.main(asked)
