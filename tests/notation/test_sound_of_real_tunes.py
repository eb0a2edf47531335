import itertools

import numpy as np

from tests.notation.conftest import ALL, COLLECTION, DEFAULT, abc_ish
from tests.notation.slow_listener import hear, taken
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.sound import NOTES, RESTS, VOICES, listen
from workflow.scripts.reading.sources import Piece, read_pieces


def check_against_hear(data: bytes, cleaning: Cleaning, every: int = 1) -> np.ndarray:
    """Assert that `listen` and `hear` agree on the tunes of a raw text; their counts."""
    found = find_tunes(np.frombuffer(data, np.uint8))[::every]
    if not len(found):
        return np.zeros((0, 4), np.int64)
    text, bounds = clean(data, found, cleaning)
    music = listen(text, bounds)
    for i, (a, b) in enumerate(itertools.pairwise(bounds.tolist())):
        tune = text[a:b].tobytes().decode()
        assert taken(music, i) == hear(tune), tune
    return music.counts


def test_real_tunes_are_heard_as_a_slow_reader_hears_them():
    pieces = [piece.data for piece in read_pieces("music21") if isinstance(piece, Piece)]
    parts = [check_against_hear(data, (DEFAULT, ALL)[i % 2], 1 + i % 7) for i, data in enumerate(pieces[::3])]
    counts = np.concatenate(parts)
    assert len(counts) > 1000
    assert (counts[:, NOTES] > 8).mean() > 0.99
    assert (counts[:, VOICES] > 1).any()


def test_published_tunes_are_heard_as_a_slow_reader_hears_them(shared):
    """Raw ABC of all sorts, and multi-voice tunes of a corpus."""
    pieces = [piece.data for piece in read_pieces(str(shared / COLLECTION)) if isinstance(piece, Piece)]
    counts = np.concatenate([check_against_hear(data, (DEFAULT, ALL)[i % 2], 13) for i, data in enumerate(pieces)])
    assert len(counts) > 1000
    (corpus,) = itertools.islice(read_pieces(str(shared / "corpora" / "corpusA_open.abc.zst")), 1)
    counts = check_against_hear(corpus.data, DEFAULT, 29)
    assert (counts[:, VOICES] > 1).sum() > 10
    assert (counts[:, RESTS] > 0).sum() > 10


def test_garbage_is_heard_as_a_slow_reader_hears_it():
    n = 0
    for raw in abc_ish(3000, seed=4):
        n += check_against_hear(b"X:1\nK:C\n" + raw.removeprefix("X:").encode(), ALL)[:, NOTES].sum()
    assert n > 2000
