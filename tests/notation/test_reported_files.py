"""Files that users reported: prepare keeps their music, in every spelling and encoding, and drops what is none."""

import pytest

from benchmarks.abc2midi import Player
from benchmarks.kept_music import judge, pairs_of_file
from workflow.scripts.grammar.checker import parse
from workflow.scripts.reading.pieces import whole_text

NOT_A_TUNE = {"lowerx.abc", "nox.abc"}  # have no X: line, which `prepare` lists as no_tune
NOT_LEGAL = {"Ucomment.abc", "grace_pct.abc"}  # a % that is not \% begins a comment, also within quotation marks
MADE_LEGAL = {"htmlesc.abc", "htmllines.abc"}


@pytest.fixture(scope="module")
def files(shared) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((shared / "reports" / "prepare").glob("*.abc"))}


def cleaned(data: bytes) -> list[str]:
    return [pair.after for pair in pairs_of_file(data) if pair.after]


def test_what_is_legal_stays_so_and_sounds_the_same(files):
    with Player() as player:
        for name, data in files.items():
            pairs = list(pairs_of_file(data))
            assert bool(pairs) == (name not in NOT_A_TUNE)
            for pair in pairs:
                verdict = judge(pair, player)
                assert verdict.fault == "", name
                assert verdict.is_valid == (name not in NOT_LEGAL | MADE_LEGAL), name
                assert parse(pair.after).is_valid == (name not in NOT_LEGAL), name


def test_the_same_tune_in_several_encodings_is_the_same(files):
    (expected,) = cleaned(files["utf16.abc"])
    assert "T:Café 16" in expected
    assert cleaned(files["utf16be.abc"]) == cleaned(files["utf32.abc"]) == [expected]


@pytest.mark.parametrize(
    ("name", "title"), [("latin2.abc", "Łódź zabę"), ("shiftjis.abc", "夕焼け小焼け 表"), ("mixedenc.abc", "Café B")]
)
def test_titles_come_out_in_their_charset(name, title, files):
    assert f"\nT:{title}\n" in whole_text(files[name])


def test_a_file_header_is_in_each_tune(files):
    for tune in cleaned(files["fileheader.abc"]):
        (part,) = parse(tune).parts.values()
        assert {bar.duration for bar in part.bars} == {bar.meter for bar in part.bars} != {0}
