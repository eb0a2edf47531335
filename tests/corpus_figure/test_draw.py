"""The figure of a corpus, from real and from spoilt reports; what it looks like is judged by people."""

import copy
import json
import shutil
import warnings

import matplotlib
import pytest
from matplotlib.text import Text

from tests.conftest import command
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.corpus_figure.draw import check, draw, look
from workflow.scripts.corpus_figure.panel import percent, plain
from workflow.scripts.corpus_figure.vocabulary import visible
from workflow.scripts.plot_corpus import main

# What the figure needs of corpus.json.
QUANTILES = ("5%", "25%", "50%", "75%", "95%")
NUMBERS = (
    "files",
    "tunes",
    "chars",
    "distinct_chars",
    *(f"splits.{split}.tunes" for split in ("train", "val", "test")),
    *(f"audit.{table}.{point}" for table in ("length", "zstd_bits_per_char_of_a_tune") for point in QUANTILES),
    "audit.share_of_text_in_largest_1_percent",
    "audit.rest_share",
    "audit.zstd_bits_per_char",
    "audit.zstd_level.all",
    "audit.zstd_level.tune",
)
TEXTS = ("input", "tokenizer", "options.split_by")
TABLES = ("rejected", "audit.meters", "audit.keys", "audit.voices", "audit.programs", "char_counts")
HISTOGRAMS = ("audit.length.histogram", "audit.zstd_bits_per_char_of_a_tune.histogram")

HOSTILE = (
    "_leading",
    "$\\frac{1}{2$",
    "$$",
    "a$b$c^2",
    "\\alpha\\",
    "很长的名字",
    "x" * 99,
    "\n\t\r",
    "\x00\ud800",
    "%#&~",
)


@pytest.fixture
def corpus(corpus_dir) -> dict:
    return json.loads((corpus_dir / "corpus.json").read_text())


def words(corpus: dict, width: float = 6.6) -> list[str]:
    """All words of the figure, once it has been drawn without a warning; the last is the caption."""
    check(corpus, "corpus.json")
    with matplotlib.rc_context(look(width)), warnings.catch_warnings():
        warnings.simplefilter("error")
        fig, caption = draw(corpus, width)
        fig.draw_without_rendering()
        found = [text.get_text() for text in fig.findobj(Text) if text.get_visible()]
        assert not any(text.get_parse_math() for text in fig.findobj(Text))
    matplotlib.pyplot.close(fig)
    return [text for text in found if text] + [caption]


def has(found: list[str], part: str) -> bool:
    return any(part in text for text in found)


def test_the_figure_is_drawn_with_the_same_bytes_every_time(corpus_dir, tmp_path):
    drawn = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(corpus_dir / "corpus.json", folder)
        args = ["--corpus", str(folder / "corpus.json"), "--output", str(folder / "corpus.pdf")]
        if name == "one":
            done = command("plot_corpus", *args)
            assert (done.returncode, done.stderr) == (0, "")
        else:
            main(args)
        drawn.append({path.name: path.read_bytes() for path in folder.rglob("corpus.*")})
    assert drawn[0] == drawn[1]
    assert sorted(drawn[0]) == ["corpus.json", "corpus.md", "corpus.pdf", "corpus.png", "corpus.tex"]
    assert drawn[0]["corpus.pdf"].startswith(b"%PDF")
    assert drawn[0]["corpus.png"].startswith(b"\x89PNG")


def test_its_numbers_are_those_of_the_report(corpus):
    corpus["leakage"]["random"] |= {"test_tunes": 40, "either": 0.25}
    corpus["leakage"]["random"]["contained"]["either"] = 0.325
    corpus["leakage"]["random"]["containing"]["either"] = 0.05
    found = words(corpus)
    low, high = wilson(10, 40)
    assert "10 of 40" in found
    assert has(
        found, f"Random split: 10 of 40, 25.00% [{low:.2%}, {high:.2%}]; half in one 32.50%, hold half of one 5.00%."
    )
    assert "by the MIDI" not in found
    corpus["leakage"]["random"]["played"] = 0.025
    assert "by the MIDI" in words(corpus)
    n = corpus["leakage"]["in_force"]["test_tunes"]
    assert n == corpus["splits"]["test"]["tunes"]
    assert has(found, f"0 of {n}, 0.00% [0.00%, {wilson(0, n)[1]:.2%}]")
    assert has(found, f"{corpus['chars']:,} characters, {corpus['distinct_chars']} distinct, from 1 file;")
    assert has(found, f"training {corpus['splits']['train']['tunes']}, ")
    for reason, count in corpus["rejected"].items():
        assert has(found, f"{reason.replace('_', ' ')} {count}")
    meter, count = next(iter(corpus["audit"]["meters"].items()))
    assert meter in found
    assert percent(count / corpus["tunes"]) in found
    assert f"median {corpus['audit']['length']['50%']:,.0f}" in found
    assert f"all text {corpus['audit']['zstd_bits_per_char']:.2f}" in found
    assert {visible(char) for char in corpus["char_counts"]} <= set(found)


def test_parts_without_content_are_left_out(corpus):
    assert not corpus["audit"]["programs"]
    whole = words(corpus)
    assert has(whole, "h  Vocabulary")
    assert not has(whole, "MIDI programs")
    corpus |= {"leakage": {}, "rejected": {}, "char_counts": {}}
    corpus["audit"] |= {name: {} for name in ("meters", "keys", "voices", "programs", "sources")}
    found = words(corpus)
    assert has(found, "The leak is not measured")
    assert has(found, "Left out, by reason: nothing.")
    assert [text for text in found if text[1:3] == "  "] == ["b  Length of a tune", "c  Compressibility"]


def test_programs_say_their_family(corpus):
    corpus["audit"]["programs"] = {"0": 90, "110": 30, "127": 5, "300": 2}
    found = words(corpus)
    assert {"0 piano", "110 world", "127 effect", "300"} <= set(found)
    assert has(found, "i  Vocabulary")


def test_one_tune_a_split(corpus):
    corpus |= {"tunes": 3, "chars": 300, "char_counts": {"a": 300}}
    for split in corpus["splits"].values():
        split |= {"tunes": 1, "chars": 100}
    for scheme in corpus["leakage"].values():
        scheme["test_tunes"] = 1
    corpus["leakage"]["random"]["test_tunes"] = 0
    audit = corpus["audit"]
    audit |= {"meters": {"4/4": 3}, "keys": {"G": 3}, "voices": {"1": 3}}
    audit["length"]["histogram"] = {"edges": [90.5, 128.0], "counts": [3]}
    audit["zstd_bits_per_char_of_a_tune"]["histogram"] = {"edges": [0, 0.25, 0.5], "counts": [0, 0]}
    found = words(corpus)
    assert has(found, "the longest tune holds")
    assert has(found, f"0 of 1, 0.00% [0.00%, {wilson(0, 1)[1]:.2%}]")
    assert "no test tunes" in found


def test_the_smaller_of_many_sources_share_a_row(corpus):
    one = next(iter(corpus["audit"]["sources"].values()))
    corpus["audit"]["sources"] = {f"s{i:02}": one | {"chars": 1000 * (45 - i), "tunes": 2} for i in range(45)}
    found = words(corpus)
    assert "s09" in found
    assert "s10" not in found
    assert "35 others (range)" in found
    assert f"{sum(range(1, 36))}k, 70 tunes" in found
    kept = dict(list(corpus["audit"]["sources"].items())[:11])
    corpus["audit"] |= {"sources": kept, "meters": {}, "keys": {}, "voices": {}}
    corpus |= {
        "char_counts": {},
        "leakage": {"of another kind": corpus["leakage"]["random"]},
    }
    found = words(corpus)
    assert "s10" in found  # a row for the others would save nothing
    assert has(found, "The leak is not measured")


def test_what_is_beyond_the_bars_is_counted(corpus):
    corpus["audit"]["meters"] = {f"{i}/4": 100 for i in range(1, 41)} | {"others": 1000}
    found = words(corpus)
    assert has(found, "Meters, % of tunes, 40+ kinds.")
    assert percent((30 * 100 + 1000) / 5000) in found  # of all but ten


def test_hostile_names_are_drawn_as_they_stand(corpus, tmp_path):
    one = next(iter(corpus["audit"]["sources"].values()))
    for name in ("meters", "keys", "voices", "programs"):
        corpus["audit"][name] = {name: 40 - i for i, name in enumerate(HOSTILE)}
    corpus["audit"]["sources"] = dict.fromkeys(HOSTILE, one)
    corpus["rejected"] = {name: 10**i for i, name in enumerate(HOSTILE)}
    corpus["input"] = ", ".join(HOSTILE)
    corpus["char_counts"] |= dict.fromkeys("$_\\很\x00\u0301\ud800\t𝄞", 7) | {"": 1, "two": 2}
    found = words(corpus)
    for name in HOSTILE[:5]:
        assert name in found
    assert {"$", "_", "\\", "◌\u0301", "⇥"} <= set(found)
    corpus["char_counts"] |= {chr(0x100 + i): 1 for i in range(200)}  # too many to name each
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(corpus))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main(["--corpus", str(path), "--output", str(tmp_path / "corpus.pdf")])
    assert (tmp_path / "corpus.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\n b", "a b"), ("C|", "C|"), ("很长", "\ufffd"), ("abcdefgh", "abcde…"), ("", ""), ("Ж é", "Ж é")],
)
def test_plain(text, shown):
    assert plain(text, 6) == shown


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0%"),
        (1, "100%"),
        (0.99961, ">99.9%"),
        (0.9988, "99.9%"),
        (0.00004, "<0.1%"),
        (0.0123, "1.2%"),
        (0.2, "20%"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


def places(corpus: dict) -> list[list[str]]:
    """Where each thing is that the figure needs, as keys one after another."""
    found = [place.split(".") for place in (*NUMBERS, *TEXTS, *TABLES)]
    found += [[*place.split("."), part] for place in HISTOGRAMS for part in ("edges", "counts")]
    for group in (["audit", "sources"], ["leakage"]):
        rows = corpus["audit"]["sources"] if len(group) == 2 else corpus["leakage"]
        found += [group] + [[*group, name, column] for name in rows for column in rows[name] if column != "pairs"]
    return found


def test_whatever_is_missing_or_spoilt_is_one_sentence(corpus):
    for place in places(corpus):
        for spoilt in (None, "", -1, [], float("nan"), {"a": None}, "missing"):
            if spoilt == "" and place in (["input"], ["tokenizer"], ["options", "split_by"]):
                continue
            broken = copy.deepcopy(corpus)
            at = broken
            for key in place[:-1]:
                at = at[key]
            if spoilt == "missing":
                del at[place[-1]]
            else:
                at[place[-1]] = spoilt
            with pytest.raises(InputError, match=r"^corpus\.json") as caught:
                check(broken, "corpus.json")
            assert "\n" not in str(caught.value)
            assert all(key in str(caught.value) for key in place)


@pytest.mark.parametrize("place", HISTOGRAMS)
@pytest.mark.parametrize("edges", [[0, 1], [0, 1, 2, 3], [0, 2, 1], [0, 1, 1]])
def test_a_histogram_has_ascending_edges_around_its_counts(corpus, place, edges):
    audit, table, histogram = place.split(".")
    corpus[audit][table][histogram] = {"edges": [0, 1, 2], "counts": [4, 5]}
    check(corpus, "corpus.json")
    corpus[audit][table][histogram]["edges"] = edges
    with pytest.raises(InputError, match=rf"^corpus\.json .*: {place} does not have ascending edges"):
        check(corpus, "corpus.json")


def test_a_share_is_at_most_1(corpus):
    corpus["leakage"]["random"]["steps"] = 1.5
    with pytest.raises(
        InputError, match=r"^corpus\.json .*: leakage\.random\.steps: 1\.5 is greater than the maximum of 1$"
    ):
        check(corpus, "corpus.json")


def test_a_spoilt_report_is_one_sentence_and_nothing_is_drawn(corpus, tmp_path):
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps(corpus | {"audit": {}}))
    done = command("plot_corpus", "--corpus", path, "--output", tmp_path / "x.pdf")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {path} is not a corpus.json as prepare writes it: audit: 'length' is a required property\n"
    )
    path.write_text(json.dumps(corpus))
    with pytest.raises(InputError, match=r"does not end in \.pdf"):
        main(["--corpus", str(path), "--output", str(tmp_path / "x.png")])
    path.unlink()
    with pytest.raises(FileNotFoundError):  # which cli.run says in one sentence
        main(["--corpus", str(path), "--output", str(tmp_path / "x.pdf")])
    assert not list(tmp_path.iterdir())
