"""What is heard of a tune, by regular expressions: slow, and sharing no code with `notation.sound`."""

import itertools
import re

import numpy as np

from tests.notation.conftest import DEFAULT
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.sound import Music, listen

SILENT = (
    r"""\s|"(?:[^"]*")?|!(?:[^! |"\[\]]{0,23}!)?|\{(?:[^}]*\})?"""
    r"""|\+(?=[^+! |"\[\]]{0,23}\+)(?=[^+]*[H-Yh-w])[^+]*\+"""
    r"|\[(?=V: *(?P<voice>[^][ ]*))(?:V:[^\]]*\])?|\[(?=[ -{}~]:)(?:[^\]]*\])?"
)
TOKEN = re.compile(SILENT + r"|(?P<note>[A-Ga-g])(?P<octave>[,']*)(?P<length>[\d/]*)|\[(?=(?P<first>.?))|[]&|zxZX]")
DIRECTIVE = re.compile(
    r"(?:%%|I:) *(?:MIDI(?![ \\]*$)|(?:propagate-accidentals|MidiOff|MidiOn|score|staves|transpose|continueall|percmap"
    r"|map|voicemap|user|microscale|temperament|temperamentequal|concert-score|sounding-score|abc2pscompat)(?:[ =]|$)"
    r"|(?P<dialect>linebreak(?=[ =].*!)|decoration(?=[ =].*\+))|(?P<later>(?:linebreak|decoration)(?:[ =]|$)))"
)
FIELD = re.compile(r"\+:|[H-Yh-w]:|[A-Ga-gx-zZ]:(?! *[:|])")


def heights(letter: str, octave: str) -> int:
    """Steps on the staff above C."""
    return "CDEFGABcdefgab".index(letter) + 7 * (octave.count("'") - octave.count(","))


def hear(tune: str) -> dict[str, object]:
    """All that `listen` says of one tune, by regular expressions."""
    heard, notes, steps, lead = "", "", [], []
    heights_of = {}  # by voice
    n_notes = n_rests = 0
    voices, in_body, in_dialect = [], False, False
    voice = leader = lead_pitch = None
    for line in tune.removesuffix("\n").split("\n"):
        line = re.sub(r"(?<!^)(?<!^%)(?<!\\)%.*", "", line)
        is_field = FIELD.match(line) if in_body else re.match(r"[A-Za-z+]:", line)
        if line.startswith("%") or is_field:
            if line.startswith("V:"):
                voice = ("voice", re.match("V: *([^][ ]*)", line)[1])
                voices += [] if voice in voices else [voice]
            in_body = in_body or line.startswith("K:")
            directive = DIRECTIVE.match(line)
            in_dialect = in_dialect or bool(directive and directive["dialect"])
            decides = directive and (in_dialect or not directive["later"])
            if decides or re.match(r"[MLQKVPUms]:|[^%w+]:[:|]", line):
                heard += line.replace(" ", "")
            continue
        if not in_body:
            continue
        heard += line.replace(" ", "")
        notes += re.sub(SILENT, "", line)
        chord, overlay = None, False
        for token in TOKEN.finditer(line):
            text, sounding = token[0], None
            if token["note"]:
                n_notes += 1
                sounding = heights(token["note"], token["octave"])
                if chord is not None:
                    chord.append(sounding)
                    sounding = None
            elif token["voice"] is not None:
                voice = ("voice", token["voice"])
                voices += [] if voice in voices else [voice]
            elif text == "[" and token["first"] is not None:
                chord = None if token["first"] in ["", "|", *"0123456789"] else []
            elif text == "]":
                sounding = max(chord, default=None) if chord is not None else None
                chord = None
            elif text == "|":
                chord, overlay = None, False
            elif text == "&":
                overlay = True
            elif text in "zxZX":
                n_rests += 1
            if sounding is None:
                continue
            heights_of.setdefault("overlay" if overlay else voice, []).append(sounding)
            leader = leader or voice
            if voice == leader and not overlay:
                if lead_pitch is not None:
                    lead.append(max(-60, min(60, sounding - lead_pitch)))
                lead_pitch = sounding
    for part in [None, *voices, "overlay"]:
        if part in heights_of:
            pairs = itertools.pairwise(heights_of[part])
            steps += [-128, *(max(-60, min(60, after - before)) for before, after in pairs)]
    return {
        "counts": [n_notes, n_rests, max(len(voices), 1), int(in_body)],
        "heard": heard,
        "notes": notes,
        "steps": steps[1:],
        "lead": lead,
        "contour": [step for step in lead if step],
    }


def taken(music: Music, i: int) -> dict[str, object]:
    """The same of tune ``i`` from what `listen` returns."""
    parts = {name: getattr(music, name) for name in ("heard", "notes", "steps", "lead", "contour")}
    parts = {name: stream.values[stream.bounds[i] : stream.bounds[i + 1]] for name, stream in parts.items()}
    text = {name: parts[name].tobytes().decode() for name in ("heard", "notes")}
    return {"counts": music.counts[i].tolist()} | text | {n: parts[n].tolist() for n in ("steps", "lead", "contour")}


def listen_to(tune: str, cleaning: Cleaning = DEFAULT) -> dict[str, object]:
    """What is heard of one raw tune after it was cleaned."""
    data = tune.encode()
    return taken(listen(*clean(data, find_tunes(np.frombuffer(data, np.uint8)), cleaning)), 0)
