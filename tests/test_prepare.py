"""The command as a user runs it."""

import json
import os
import re
import tarfile

import numpy as np
import pytest

from tests.conftest import ROOT, command
from tests.corpus.conftest import contents, tables
from workflow.scripts import prepare
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.options import Options, Source
from workflow.scripts.prepare import source_of

ENOUGH = ("--val_fraction", 0.2, "--test_fraction", 0.2, "--workers", 1)


# Words


@pytest.mark.parametrize(
    ("words", "source"),
    [
        (["folk", "data"], Source("folk", "data")),
        (["folk", "data", "weight=3"], Source("folk", "data", weight=3.0)),
        (["folk", "data", "cap=1000", "licence=CC0"], Source("folk", "data", cap=1000, licence="CC0")),
        (["folk", "data", "licence=a = b"], Source("folk", "data", licence="a = b")),
    ],
)
def test_a_source_is_read_from_its_words(words, source):
    assert source_of(words) == source


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["folk"], "--source folk: give a name and a path"),
        (["", "data"], "give a name and a path"),
        (["folk", ""], "give a name and a path"),
        (["folk", "data", "weight"], "weight is not weight=<number>"),
        (["folk", "data", "weight=0"], "weight=0 is not weight=<number>"),
        (["folk", "data", "weight=nan"], "weight=nan is not"),
        (["folk", "data", "weight=inf"], "weight=inf is not"),
        (["folk", "data", "cap=-5"], "cap=-5 is not"),
        (["folk", "data", "cap=1e3"], "cap=1e3 is not"),
        (["folk", "data", "wieght=3"], "wieght=3 is not"),
        (["folk", "data", "name=x"], "name=x is not"),
        (["folk", "data", "="], "= is not"),
    ],
)
def test_words_that_make_no_source_are_quoted(words, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        source_of(words)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--input_path", "nowhere"], "nowhere: no such file or folder"),
        (["--input_path", "."], "holds no .abc, .mid or .midi file"),
        (["--source", "a", "in.abc", "weight=1", "--source", "b", "in.abc"], "either every source has a weight"),
        (["--source", "a", "in.abc", "--source", "a", "in.abc"], "two sources have the same name"),
        (["--source", "a"], "--source a: give a name and a path"),
        (["--input_path", "in.abc", "--val_fraction", "0.5", "--test_fraction", "0.5"], "leave nothing to train on"),
        (["--input_path", "in.abc"], "in.abc holds 1 different tune (versions count once), and each of train, val "),
        (["--input_path", "fifo"], "holds no .abc"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, flags, sentence):
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    if flags[1] == ".":
        monkeypatch.chdir(empty)
    else:
        (tmp_path / "in.abc").write_text("X:1\nK:C\nGABc defg|\n")
        os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError) as error:
        prepare.main([*flags, "--output_dir", str(tmp_path / "out"), "--workers", "1"])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ("--workers", "0"), ("--val_fraction", "1.5"), ("--val_fraction", "nan"), ("--split_by", "luck"),
        ("--tokenizer", "words"), ("--max_chars", "0"), ("--keep_titles", "perhaps"), ("--min_test_chars", "-1"),
        ("--midi_seconds", "0"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(flags, capsys):
    with pytest.raises(SystemExit) as error:
        prepare.main(list(flags))
    assert error.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_every_option_reaches_the_corpus(tmp_path, monkeypatch):
    """A flag that is parsed and then forgotten would show here."""
    seen = {}
    monkeypatch.setattr(prepare, "build", lambda sources, output, options, workers: seen.update(o=options) or {})
    monkeypatch.setattr(prepare, "summary", str)
    flags = {
        "keep_titles": "false", "keep_lyrics": "true", "keep_comments": "true", "max_chars": 7, "min_notes": 8,
        "max_voices": 9, "max_rest_share": 0.1, "max_rest_bars": 11, "max_tune_share": 0.2, "min_char_count": 13,
        "midi_flags": "-x", "midi_agreement": 0.25, "midi_seconds": 1.5, "val_fraction": 0.3, "test_fraction": 0.4,
        "min_test_chars": 17,
        "split_by": "md5", "near_duplicates": "false", "tokenizer": "bpe", "vocab_size": 19,
    }  # fmt: skip
    prepare.main([word for name, value in flags.items() for word in (f"--{name}={value}",)])
    options = seen["o"]
    found = {**vars(options.rules.cleaning), **vars(options.rules), **vars(options)}
    del found["rules"], found["cleaning"]
    assert {name: str(value).lower() for name, value in found.items()} == {k: str(v) for k, v in flags.items()}


def test_without_flags_the_options_are_the_defaults():
    """To the letter, as the key of a corpus is of what they print as."""
    _, options = prepare.recipe(prepare.arguments().parse_args([]))
    assert repr(options) == repr(Options())


# Runs


def test_a_run_says_what_it_did_and_fails_in_one_line(book, tmp_path):
    done = command("prepare", "--input_path", book, "--output_dir", tmp_path / "out", *ENOUGH)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert f"kept     {report['tunes']:>9,} tunes {report['chars']:>13,} characters" in done.stdout
    for split, size in report["splits"].items():
        assert f"{split:<8} {size['tunes']:>9,} tunes {size['chars']:>13,} characters" in done.stdout
    assert "of " in done.stdout.splitlines()[-1]
    before = contents(tmp_path / "out")
    (tmp_path / "in.abc").write_text("X:1\nK:C\nz8|\n")
    done = command("prepare", "--input_path", tmp_path / "in.abc", "--output_dir", tmp_path / "out", "--workers", 1)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/in.abc holds no usable tune (no_notes 1)\n"
    assert contents(tmp_path / "out") == before


def test_a_split_of_one_tune_is_warned_of(book, tmp_path, capsys):
    texts = re.findall("^X:.*?(?=^X:|\\Z)", book.read_text(), re.M | re.S)
    (tmp_path / "few.abc").write_text("".join(texts[:5]))
    flags = ["--input_path", str(tmp_path / "few.abc"), "--output_dir", str(tmp_path / "out"), "--workers", "1"]
    prepare.main(flags)
    report = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert {name: size["tunes"] for name, size in report["splits"].items()} == {"train": 3, "val": 1, "test": 1}
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "warning: the val split holds one tune: training is watched by that tune alone; raise val_fraction or add "
        "tunes",
        "warning: the test split holds one tune: losses will have no interval; raise test_fraction or add tunes",
    ]
    for split in ("val", "test"):
        report["splits"][split]["tunes"] = 2
    assert "warning" not in prepare.summary(report)


def test_one_after_the_other_even_by_hand(book, tmp_path):
    """A second run on the same output waits for nobody: it says so."""
    from workflow.scripts.base.files import lock

    work = tmp_path / "out" / ".prepare"
    work.mkdir(parents=True)
    held = lock(work / "lock", exclusive=True)
    done = command("prepare", "--input_path", book, "--output_dir", tmp_path / "out", *ENOUGH)
    os.close(held)
    assert done.returncode == 1
    assert done.stderr == f"error: another process is preparing {tmp_path}/out\n"
    assert [path.name for path in work.iterdir()] == ["lock"]


def test_byte_pairs_from_end_to_end(corpus_dir, book, tmp_path):
    """The tunes and splits of the character corpus, in other tokens."""
    flags = ["--input_path", book, "--output_dir", tmp_path / "bpe", "--tokenizer", "bpe", "--vocab_size", 300,
             "--val_fraction", 0.1, "--test_fraction", 0.05, "--workers", 2]  # fmt: skip
    done = command("prepare", *flags)
    assert done.returncode == 0, done.stderr
    corpus, chars = Corpus.load(tmp_path / "bpe"), Corpus.load(corpus_dir)
    assert corpus.tokenizer.kind == corpus.info["tokenizer"] == "bpe"
    assert corpus.tokenizer.vocab_size == corpus.info["vocab_size"] == 300
    assert corpus.tokenizer.dtype == np.uint16
    assert corpus.content_sha256 != chars.content_sha256
    for name in SPLITS:
        mine, other = corpus.split(name), chars.split(name)
        assert mine.n_tunes == other.n_tunes
        for i in range(mine.n_tunes):
            assert corpus.tokenizer.decode(mine.tune(i)) == chars.tokenizer.decode(other.tune(i))
        assert len(mine.tokens) < 0.7 * len(other.tokens)
        assert corpus.tokenizer.count_chars(mine.tokens) == chars.tokenizer.count_chars(other.tokens)
        assert corpus.info["splits"][name]["chars"] == chars.info["splits"][name]["chars"]
    for name in ("tunes.tsv", "quarantine.csv"):
        assert (tmp_path / "bpe" / name).read_bytes() == (corpus_dir / name).read_bytes()


def test_every_midi_of_an_archive_is_kept_or_accounted_for(shared, tmp_path):
    bundle = shared / "midi" / "midi_bundle.tar.gz"
    done = command("prepare", "--input_path", bundle, "--output_dir", tmp_path / "out", *ENOUGH,
                   "--max_tune_share", 0.5)  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept, lost = tables(tmp_path / "out")
    with tarfile.open(bundle) as tar:
        inside = sorted(f"{bundle.name}/{member.name}" for member in tar if member.name.endswith(".mid"))
    assert len(inside) == 88
    assert sorted(row["path"] for row in kept + lost) == inside
    assert len(kept) == 88
    said = "midi            88 files, F1 of what they say, median (tenth percentile): notes 100.0% (99.9%)"
    assert said in done.stdout
    assert {row["line"] for row in kept + lost} == {"0"}
    for name, data in contents(tmp_path / "out").items():
        text = data.replace(str(bundle).encode(), b"", 2 if name == "corpus.json" else 0)
        for word in (str(tmp_path), str(ROOT), str(shared), "/tmp/", os.uname().nodename, ".mid.abc"):
            assert word.encode() not in text, (name, word)
    corpus = Corpus.load(tmp_path / "out")
    part = corpus.split("train")
    assert all("K:" in corpus.tokenizer.decode(part.tune(i)) for i in range(part.n_tunes))


def test_a_mixture_has_its_shares(book, tmp_path):
    other = book.parent / "book2.abc"
    done = command("prepare", "--source", "one", book, "weight=1", "licence=free", "--source", "two", other, "weight=3",
                   "--output_dir", tmp_path / "out", *ENOUGH, "--near_duplicates", "no")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "corpus.json").read_text())
    chars = {name: one["chars"] for name, one in report["audit"]["sources"].items()}
    assert chars["two"] / chars["one"] == pytest.approx(3, rel=0.05)
    assert [(s["name"], s["weight"], s["licence"]) for s in report["sources"]] == [("one", 1, "free"), ("two", 3, "")]
    assert report["leakage"] == {}
    kept, lost = tables(tmp_path / "out")
    assert {row["source"] for row in kept} == {"one", "two"}
    assert {row["path"] for row in lost if row["reason"] == "over_cap"} == {"book1.abc"}
