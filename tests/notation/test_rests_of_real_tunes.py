import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.notation.conftest import DEFAULT
from tests.notation.durations import durations
from workflow.scripts.machine.sandbox import find_program, run_limited
from workflow.scripts.midi.convert import Converter
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.rests import bar_length, longest_rests, shorten_rests
from workflow.scripts.notation.sound import NOTES, listen
from workflow.scripts.reading.sources import Piece, read_pieces


@pytest.fixture(scope="module")
def conversions(shared) -> list[str]:
    """Clean ABC of real MIDI files."""
    tunes = []
    with tarfile.open(shared / "midi" / "midi_bundle.tar.gz") as tar, Converter() as converter:
        for member in tar:
            if member.name.endswith(".mid"):
                data = converter.convert(tar.extractfile(member).read()).abc
                text, bounds = clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
                assert len(bounds) == 2
                tunes.append(text.tobytes().decode())
    return tunes


def played(tune: str, folder: Path) -> tuple[int, list[list[tuple[int, int, int]]]]:
    """(complaints of abc2midi, notes of every track that has any)."""
    import symusic

    midi = folder / "tune.mid"
    midi.unlink(missing_ok=True)
    (folder / "tune.abc").write_text(tune)
    outcome = run_limited([find_program("abc2midi"), "tune.abc", "-o", "tune.mid"], folder, 20)
    assert not outcome.problem
    tracks = symusic.Score(midi).tracks
    notes = [sorted((note.time, note.pitch, note.duration) for note in track.notes) for track in tracks if track.notes]
    return len(re.findall("^Error", outcome.output, re.MULTILINE)), notes


def test_conversions_of_midi_sound_as_before(conversions, tmp_path):
    """Also with a silent voice put between the others."""
    n = n_silent = 0
    for before in conversions:
        after = shorten_rests(before, 8)
        if after == before:
            continue
        n += 1
        errors, notes = played(before, tmp_path)
        fewer, same = played(after, tmp_path)
        assert notes
        assert same == notes
        assert fewer <= errors
        bar = bar_length(before)
        assert durations(after, int(bar)) == durations(before, int(bar))
        if len(re.findall("^V:", before, re.MULTILINE)) > 2:
            silent = f"V:silent\n{f'z{bar}|' * 20}\n"
            spread = re.sub("^(?=V:2[ \n])", silent, before, count=1, flags=re.MULTILINE)
            assert spread != before
            assert shorten_rests(spread, 8) == after
            n_silent += 1
    assert n > 40
    assert n_silent > 20


def test_real_tunes_with_rests_last_as_long_as_before(shared):
    n = 0
    for piece in read_pieces(str(shared / "corpora" / "corpusA_open.abc.zst")):
        assert isinstance(piece, Piece)
        text, bounds = clean(piece.data, find_tunes(np.frombuffer(piece.data, np.uint8)), DEFAULT)
        for i in np.flatnonzero(longest_rests(text, bounds) > 8)[::12].tolist():
            before = text[bounds[i] : bounds[i + 1]].tobytes().decode()
            after = shorten_rests(before, 8)
            bar = bar_length(before)
            if after == before or bar is None:
                continue
            lasted, lasting = durations(before, int(bar)), durations(after, int(bar))
            assert {voice: lasted[voice] for voice in lasting} == lasting
            said = [
                listen(np.frombuffer(tune.encode(), np.uint8), np.array([0, len(tune)])) for tune in (before, after)
            ]
            assert said[0].counts[0, NOTES] == said[1].counts[0, NOTES]
            assert said[0].steps.values.tolist() == said[1].steps.values.tolist()
            n += 1
        if n > 50:
            break
    assert n > 50
