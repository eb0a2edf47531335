"""What passes the checker before cleaning passes after it, and sounds the same. `benchmarks.cleaning` tries more."""

from collections.abc import Iterator

import pytest

from benchmarks.abc2midi import MISREADINGS, Player, in_its_words
from benchmarks.kept_music import Pair, judge, pairs, pairs_of_file, split
from benchmarks.mutations import mutations
from tests.notation.conftest import COLLECTION
from workflow.scripts.reading.sources import Piece, read_pieces

HEAD = "X:1\nL:1/8\nK:C\n"


def tunes_of(path: str, every_file: int, every_tune: int) -> list[Pair]:
    pieces = [piece for piece in read_pieces(path) if isinstance(piece, Piece)]
    return [pair for piece in pieces[::every_file] for pair in pairs(piece.data, piece.header)][::every_tune]


@pytest.fixture(scope="module")
def real() -> list[Pair]:
    return tunes_of("music21", 2, 10)


@pytest.fixture(scope="module")
def mutated(real) -> list[Pair]:
    texts = mutations([pair.before for pair in real if len(pair.before) < 900], 1000, seed=1)
    return [pair for text in texts for pair in pairs_of_file(text.encode())]


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player() as player:
        yield player


def faults(tunes: list[Pair], player: Player | None = None) -> tuple[int, list[tuple[str, Pair]]]:
    """(legal tunes, what cleaning did wrong)."""
    verdicts = [judge(pair, player) for pair in tunes]
    wrong = [(verdict.fault, pair) for verdict, pair in zip(verdicts, tunes, strict=True) if verdict.fault]
    return sum(verdict.is_valid for verdict in verdicts), wrong


def test_real_tunes_stay_legal_and_read_the_same(real):
    legal, wrong = faults(real)
    assert wrong == []
    assert legal > 600


def test_mutations_stay_legal_and_read_the_same(mutated):
    legal, wrong = faults(mutated)
    assert wrong == []
    assert legal > 400


def test_abc2midi_plays_the_same_notes(real, mutated, player):
    legal, wrong = faults([*real[::32], *mutated[::25]], player)
    assert wrong == []
    assert legal > 30


def test_published_tunes_stay_legal_and_read_the_same(shared):
    legal, wrong = faults(tunes_of(str(shared / COLLECTION), 10, 12))
    assert wrong == []
    assert legal > 150


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        ("cd ef|", ""),
        ("cd\\\nef|", ""),
        (None, "no longer legal"),
        ("cd ef}|", "no longer legal"),
        ("cd [r:x]?ef|", "no longer legal"),  # legal, with a message where there was none
        ("cd eg|", "reads otherwise"),
        ("cd e/f/|", "reads otherwise"),
        ("cd ef", "reads otherwise"),
        ("cd ef|z4|", "reads otherwise"),
        ("[M:3/8]cd ef|", "reads otherwise"),
        ("%%MIDI program 40\ncd ef|", "sounds otherwise"),
        ("%%MIDI transpose 2\ncd ef|", "sounds otherwise"),
        ("[Q:1/4=80]cd ef|", "sounds otherwise"),
        ('"F"cd ef|', "sounds otherwise"),
    ],
)
def test_each_change_is_found(after, fault, player):
    pair = Pair(f"{HEAD}cd ef|\n", after and f"{HEAD}{after}\n")
    assert judge(pair, player).fault == fault
    assert judge(Pair(f"{HEAD}cd ef}}\n", pair.after), player).fault == ""  # nothing is promised of what was not legal


@pytest.mark.parametrize("misreading", MISREADINGS, ids=lambda misreading: misreading.rule[:30])
def test_where_abc2midi_differs_from_the_standard_it_is_told_in_other_words(misreading, player):
    example, means = (
        text if text.startswith("K:") else f"K:C\n{text}" for text in (misreading.example, misreading.means)
    )
    example, means = f"X:1\n{example}", f"X:1\n{means}"
    assert player.play(example) != player.play(means)
    assert player.play(in_its_words(example)) == player.play(in_its_words(means)) is not None


def test_the_header_of_a_file_is_a_part_of_each_tune(player):
    (pair,) = pairs_of_file(b"%%MIDI transpose 2\nL:1/4\n\nX:7\nK:C\ncd|\n")
    verdict = judge(pair, player)
    assert (verdict.is_valid, verdict.is_played, verdict.fault) == (True, True, "")
    assert pair.before.startswith("%%MIDI")
    assert judge(Pair(pair.before, "X:1\nL:1/4\nK:C\ncd|\n"), player).fault == "sounds otherwise"
    assert judge(Pair(pair.before, "X:1\n%%MIDI transpose 2\nK:C\ncd|\n"), player).fault == "reads otherwise"


def test_tunes_end_at_blank_lines_and_begin_at_no_line_of_a_block_of_text():
    text = "% c\n\nX:1\nK:C\nc|\n%%begintext\n\nX:9\n%%endtext\nd|\n\nfree text\n\nX:2\nK:C\ne|\nX:3\nK:C\n"
    before, tunes = split(text)
    assert before == "% c\n\n"
    assert tunes == {
        3: "X:1\nK:C\nc|\n%%begintext\n\nX:9\n%%endtext\nd|\n",
        14: "X:2\nK:C\ne|\n",
        17: "X:3\nK:C\n",
    }


def test_the_same_seed_makes_the_same_mutations():
    tunes = [f"{HEAD}cdef gabc'|\n", "X:2\nT:Two\nM:6/8\nK:D\n|:d3 e3|f3 g3:|\n"]
    made = list(mutations(tunes, 300, seed=2))
    assert made == list(mutations(tunes, 300, seed=2))
    assert made[:100] == list(mutations(tunes, 100, seed=2))
    assert len(set(made)) > 290
    assert made != list(mutations(tunes, 300, seed=3))
