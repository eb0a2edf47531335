"""A tune says what its MIDI plays: to our own reader, and to abc2midi with symusic, which know nothing of ours."""

import re
import struct
import subprocess
import sys

import numpy as np
import pytest
import symusic

from tests.midi.files import END, METER, NOTE, TUNE, meta, midi, note
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.rhythm import judge
from workflow.scripts.machine.sandbox import find_program
from workflow.scripts.midi import midi2abc
from workflow.scripts.midi.agreement import Agreement, agreement
from workflow.scripts.midi.convert import Conversion, Converter
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.read_abc import UNITS, notes_of
from workflow.scripts.midi.song import read_song

WHOLE = Agreement(1, 1, 1)
SCALES = {0: (0, 2, 4, 5, 7, 9, 11, 12), 1: (0, 2, 3, 5, 7, 8, 10, 12)}  # major, minor
MAJOR = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
MINOR = ["Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m"]


def convert(data: bytes, **options) -> Conversion:
    with Converter(**options) as converter:
        return converter.convert(data)


def key(sharps: int, mode: int) -> bytes:
    """A key signature."""
    return meta(0x59, struct.pack("bB", sharps, mode))


def body(abc: bytes) -> str:
    """What follows the header."""
    return abc.decode().partition("\nK:")[2].partition("\n")[2]


def played(score: symusic.Score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kinds, onsets and lengths as of `agreement`, without what a track doubles."""
    rows, quarter = set(), score.ticks_per_quarter
    for number, track in enumerate(score.tracks):
        rows |= {
            (n.pitch + 128 * track.is_drum, n.time / quarter, number): n.duration / quarter
            for n in track.notes
            if n.velocity
        }.items()
    keys = [key for key, _ in sorted(rows)]
    return np.array([k[0] for k in keys]), np.array([k[1] for k in keys]), np.array([v for _, v in sorted(rows)])


def compiled(abc: bytes, folder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What abc2midi plays of a tune, its chords not rolled."""
    (folder / "x.abc").write_bytes(abc.replace(b"\nK:", b"\n%%MIDI chordattack 0\nK:", 1))
    subprocess.run([find_program("abc2midi"), "x.abc", "-o", "x.mid"], cwd=folder, capture_output=True, check=True)
    return played(symusic.Score(folder / "x.mid"))


def sounding(found: Conversion) -> np.ndarray:
    """(n, 3) kinds, onsets and lengths that our own reader finds in a tune, sorted."""
    voice, onset, end, pitch = notes_of(found.abc).T
    drums = np.unique(found.song.notes["part"][found.song.notes["drum"]])
    rows = np.stack([pitch + 128 * np.isin(voice, drums), onset / UNITS, (end - onset) / UNITS], axis=1)
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("first", range(4))
def test_real_files_say_the_same_to_us_and_to_abc2midi(bundle, tmp_path, first):
    with Converter() as converter:
        for data in bundle[first::8]:
            found = converter.convert(data)
            assert found.agreement.notes > 0.98
            assert found.agreement.onsets > 0.98
            ours, theirs = sounding(found), np.stack(compiled(found.abc, tmp_path), axis=1)
            theirs = theirs[np.lexsort(theirs.T[::-1])]
            assert len(ours) == len(theirs)
            assert np.abs(ours - theirs)[:, :2].max() < 0.01
            assert (np.abs(ours - theirs)[:, 2] > 0.01).mean() < 0.08  # it ends some tied notes early
            assert converter.convert(data).abc == found.abc
            assert parse(found.abc.decode()).is_valid


def test_the_reader_finds_what_symusic_finds(bundle):
    for data in bundle:
        song, (kinds, onsets, _) = read_song(data), played(symusic.Score.from_midi(data))
        notes = np.sort(song.notes["pitch"] + 128.0 * song.notes["drum"] + song.notes["onset"] / song.division / 1e5)
        assert abs(len(notes) - len(kinds)) <= 1  # of a file, one drops a note of velocity 0 in running status
        if len(notes) == len(kinds):
            assert notes == pytest.approx(np.sort(kinds + onsets / 1e5), abs=1e-9)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("sharps", range(-9, 10))
def test_a_scale_in_every_key(sharps, mode, tmp_path):
    tonic = 60 + (7 * sharps + 9 * mode) % 12
    pitches = [tonic + step for step in SCALES[mode]]
    found = convert(
        midi(METER + meta(0x59, struct.pack("bB", sharps, mode)) + b"".join(note(p, 96) for p in pitches) + END)
    )
    assert found.agreement == WHOLE
    assert compiled(found.abc, tmp_path)[0].tolist() == sorted(pitches)
    known = sharps if -7 <= sharps <= 7 else sharps - 12 if sharps > 7 else sharps + 12
    assert re.search(rb"^K:(.*)$", found.abc, re.MULTILINE)[1].decode() == (MINOR if mode else MAJOR)[known + 7]
    assert not set("^_=") & set(body(found.abc))


def test_all_pitches_in_all_keys_however_far_accidentals_reach(tmp_path):
    for sharps in range(-7, 8):
        pitches = [*range(36, 84), *range(83, 35, -1), 60, 61, 60, 73, 60, 49, 72]
        found = convert(
            midi(METER + meta(0x59, struct.pack("bB", sharps, 0)) + b"".join(note(p, 24) for p in pitches) + END)
        )
        assert found.agreement == WHOLE
        for way in (b"", b"%%propagate-accidentals octave\n", b"%%propagate-accidentals pitch\n"):
            abc = found.abc.replace(b"\nK:", b"\n" + way + b"K:", 1)
            kinds, onsets, _ = compiled(abc, tmp_path)
            assert kinds[np.argsort(onsets)].tolist() == pitches


def random_song(seed: int) -> bytes:
    """Parts of chords, held notes and rests on 16ths, with changes of meter, key and tempo here and there."""
    rng = np.random.default_rng(seed)
    tracks = [b""]
    now = 0
    for _ in range(int(rng.integers(1, 5))):
        wait = 96 * int(rng.integers(0, 9))
        events = (
            bytes((0xFF, 0x58, 4, int(rng.integers(1, 8)), int(rng.integers(2, 4)), 24, 8)),
            bytes((0xFF, 0x59, 2)) + struct.pack("bB", int(rng.integers(-7, 8)), int(rng.integers(0, 2))),
            b"\xff\x51\x03" + int(rng.integers(300_000, 900_000)).to_bytes(3, "big"),
        )
        tracks[0] += struct.pack("BB", 0x80 | wait >> 7, wait & 127) + b"\0".join(events)
        now += wait
    tracks[0] += END
    for channel in (0, 3, 9):
        ends = []
        events = []
        for tick in range(0, now + 1500, 24):
            if rng.random() < 0.3 * (1 + (channel == 0)):
                for pitch in rng.choice(np.arange(40, 80), int(rng.integers(1, 4)), replace=False).tolist():
                    events.append((tick, 1, pitch))
                    ends.append((tick + 24 * int(rng.integers(1, 30 if rng.random() < 0.1 else 5)), 0, pitch))
        data, last = b"", 0
        for tick, on, pitch in sorted(events + ends):
            delta = tick - last
            data += struct.pack("BB", 0x80 | delta >> 7, delta & 127) + bytes((0x80 | on << 4 | channel, pitch, 64))
            last = tick
        tracks.append(data + END)
    return midi(*tracks)


@pytest.mark.parametrize("seed", range(12))
def test_any_song_on_the_grid_is_told_exactly(seed, tmp_path):
    data = random_song(seed)
    found = convert(data)
    assert found.agreement.notes == found.agreement.onsets == 1
    theirs = agreement(*played(symusic.Score.from_midi(data)), compiled(found.abc, tmp_path))
    assert theirs.onsets == pytest.approx(1)
    text = parse(found.abc.decode())
    assert text.is_valid
    rhythm = judge(text)
    assert rhythm.right == rhythm.bars


def test_changes_are_kept():
    events = {
        0: meta(0x51, (500_000).to_bytes(3, "big")) + METER + meta(0x59, b"\x01\0"),
        8: meta(0x51, (600_000).to_bytes(3, "big")) + meta(0x58, b"\x03\x02\x18\x08") + meta(0x59, b"\xfd\x01"),
        14: meta(0x51, (400_000).to_bytes(3, "big")) + meta(0x58, b"\x02\x02\x18\x08"),
    }
    # The first voice strikes every quarter; the second holds a note over the first change, and rests over the other.
    head = b"".join(events[i] + note(60, 96) if i in events else note(60, 96) for i in range(20))
    held = note(48, 96) * 7 + b"\0\x90\x30\x40\x81\x40\x80\x30\0" + note(48, 96) * 2
    held += b"".join(note(48, 48, wait=k) for k in (96, 96, 96, 96, 96, 96))
    found = convert(midi(head + END, held + END))
    assert found.agreement == WHOLE
    first, second = body(found.abc).split("V:2")
    assert [line for line in first.splitlines() if line.startswith("M:")] == ["M: 3/4", "M: 2/4"]
    assert [line for line in second.splitlines() if line.startswith("M:")] == ["M: 4/4", "M: 3/4", "M: 2/4"]
    assert re.findall(r"\[.:[^]]*\]", first) == ["[K:Cm]", "[Q:1/4=100]", "[Q:1/4=150]"]
    assert re.findall(r"\[.:[^]]*\]", second) == ["[K:G]", "[K:Cm]"]
    text = parse(found.abc.decode())
    assert judge(text).is_right


def test_a_slowing_in_small_steps_is_told_a_beat_at_a_time():
    slowing = b"".join(meta(0x51, (500_000 + 2000 * k).to_bytes(3, "big")) + note(60, 12) for k in range(64))
    rates = re.findall(rb"\[Q:1/4=(\d+)\]", convert(midi(METER + slowing + END)).abc)
    assert 3 <= len(rates) <= 8
    assert rates == sorted(rates, key=int, reverse=True)


def test_each_channel_of_a_track_is_a_voice():
    track = b"".join(note(p, 48, c) for p, c in ((60, 0), (40, 9), (64, 0), (43, 1)) for _ in range(4))
    one, other = (convert(midi(METER + END, *tracks)) for tracks in ([track + END], [b"\0\xc1\x20" + track + END]))
    assert body(one.abc).count("V:") == 3
    assert body(one.abc).count("%%MIDI channel 10") == 1
    assert one.song.channels.tolist() == [0, 1, 9]
    assert "V:2\n%%MIDI program 32\n" in body(other.abc)


def test_triplets_are_triplets_and_dotted_rhythms_are_not():
    thirds = midi(METER + (note(60, 32) + note(62, 32) + note(64, 32)) * 4 + END)
    assert body(convert(thirds).abc) == "(3CDE (3CDE (3CDE (3CDE|\n"
    tresillo = midi(METER + (note(60, 72) + note(62, 48) + note(64, 72)) * 2 + END)
    assert body(convert(tresillo).abc) == "C3/2DE3/2 C3/2DE3/2|\n"


def test_overlaps_and_notes_without_an_end():
    on, off = (lambda p, wait=0: bytes((wait, 0x90, p, 64))), (lambda p, wait=0: bytes((wait, 0x80, p, 0)))
    twice = on(60) + on(60, 48) + off(60, 24) + off(60, 72) + note(62, 96)
    found = convert(midi(METER + twice + note(64, 96) * 8 + END))
    assert found.song.notes["onset"][:3].tolist() == [0, 48, 144]
    assert found.song.notes["length"][:3].tolist() == [48, 96, 96]
    stuck = b"".join(on(p, 96) for p in range(60, 76)) + END
    assert convert(midi(METER + stuck)).song.notes["length"].tolist() == [96] * 15 + [0]


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "not_midi", "empty"),
        (b"RIFF\0\0\0\0RMIDdata", "not_midi", "no MThd header"),
        (b"MThd", "not_midi", "no MThd header"),
        (b"MThd" + bytes(range(256)) * 8, "midi_empty", "no note in 0 tracks"),
        (TUNE[:14], "midi_empty", "no note in 0 tracks"),
        (midi(METER + END), "midi_empty", "no note in 1 tracks"),
        (midi(METER + b"\0\x90\xf0\xf0" + NOTE), "midi_empty", "no note in 1 tracks; 1 of 1 tracks broke off"),
        (midi(METER + b"\xbf\xff\xff\x7f" + NOTE[1:] + END), "midi_runaway", None),
        (TUNE[:12] + b"\xe7\x28" + TUNE[14:], "midi_smpte", "timed in seconds, not in beats"),
        (TUNE[:12] + b"\0\0" + TUNE[14:], "midi_division", "a quarter note of 0 ticks"),
        (midi(*[METER + NOTE * 8 + END] * 64), "midi_voices", "64 channels of tracks, more than 63"),
    ],
    ids=lambda value: value if isinstance(value, str) else "midi",
)
def test_what_gives_no_music_says_why(data, reason, detail):
    with pytest.raises(ConversionError) as caught:
        convert(data)
    assert caught.value.reason == reason
    assert detail in (None, caught.value.detail)


@pytest.mark.parametrize(
    "spoilt",
    [
        TUNE[:-20],
        b"junk" + TUNE + b"\1\2\3",
        TUNE[:14] + b"XFIR\0\0\0\4MTrk" + TUNE[14:],
        TUNE[:10] + b"\0\7" + TUNE[12:],
        midi(METER[:-1] + b"\xa1" + NOTE * 8 + END),
        midi(METER.replace(b"\x04\x04\x02", b"\x04\x00\x02") + NOTE * 8 + END),
        midi(METER + END, NOTE + b"\0\xff\x02\x041998" + NOTE * 8 + END),
    ],
)
def test_what_can_be_read_of_an_odd_file_is(spoilt):
    found = convert(spoilt)
    assert found.agreement == WHOLE
    assert len(found.song.notes) >= 6


def test_a_tune_that_says_something_else_is_refused(tmp_path, monkeypatch):
    fake = tmp_path / "fake"
    fake.write_text(f"#!{sys.executable} -IS\nprint('X: 1\\nM: 4/4\\nL: 1/8\\nK:C\\nV:1\\nC2 C2 C2 D2|C2 D2 C2 C2|')\n")
    fake.chmod(0o755)
    monkeypatch.setattr(midi2abc, "find_program", lambda name: str(fake))
    with pytest.raises(ConversionError) as caught:
        convert(TUNE)
    assert str(caught.value) == "midi_unlike: 75.0% of the notes agree, 75.0% in onset too: less than 90%"
    assert convert(TUNE, min_agreement=0.7).agreement.onsets == 0.75


def test_the_reported_files(shared):
    refused = {}
    for path in sorted((shared / "reports" / "midi").glob("*.mid")):
        try:
            assert convert(path.read_bytes()).agreement == WHOLE
        except ConversionError as error:
            refused[path.stem] = error.reason
    assert refused == {
        "div0": "midi_division", "hugedelta": "midi_runaway", "smpte": "midi_smpte", "zero_tracks": "midi_empty",
    }  # fmt: skip
