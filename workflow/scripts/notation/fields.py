"""The fields of ABC that a tune's sound depends on: whether each is well formed, and what it says.

Needs the value of a field, without its letter and colon. After the standard, ABC 2.1
(abcnotation.com/wiki/abc:standard:v2.1), sections 3.1 and 4.6.
"""

import functools
import re
from fractions import Fraction

POWERS_OF_TWO = {1 << k for k in range(10)}  # the shortest note that the standard names is 1/512
METER = re.compile(r"(?:\((\d{1,2}(?:\+\d{1,2})*)\)|(\d{1,2}(?:\+\d{1,2})*))/(\d{1,3})")
RATIO = re.compile(r"(\d{1,3})/(\d{1,3})|1")
QUOTED = re.compile(r'"[^"]*"')
BEATS = re.compile(r"(\d{1,3}/\d{1,3}(?:\s+\d{1,3}/\d{1,3}){0,3})\s*=\s*(\d{1,4}(?:\.\d{1,3})?)")
OLD_TEMPO = re.compile(r"(?:C\d?(?:/\d)?\s*=\s*)?\d{1,4}")  # 120, C=120: deprecated, and still defined (10.1)
TONIC = re.compile(
    r"(?P<tonic>[A-G])(?P<sign>[#b]?)\s*"
    r"(?P<mode>(?i:major|maj|ionian|ion|dorian|dor|phrygian|phr|lydian|lyd|mixolydian|mix|minor|min|m|aeolian|aeo"
    r"|locrian|loc))?\s*(?P<exp>(?i:exp))?(?=\s|$|[\^_=])"
)
PIPES = re.compile(r"(?:HP|Hp)(?=\s|$)")
NO_KEY = re.compile(r"none(?=\s|$)")
ACCIDENTAL = re.compile(r"\s*(\^\^|\^|__|_|=)([A-Ga-g])")
VOICE = re.compile(r"(?:^|\[)V:[ \t]*([^\s\]]+)", re.MULTILINE)  # a voice that is named, with its name
WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
CLEF = r"(?:treble|alto|tenor|bass|perc|none|[CFG][1-5]?|auto)[1-5]?(?:[+-]8|[+-]15)?"
PROPERTY = re.compile(
    rf"(?:clef=)?{CLEF}|(?:clef|middle|m|transpose|t|octave|stafflines|staffscale|style|score|sound|shift|cue|instrument"
    r"|name|nm|subname|snm|sname|merge|up|down|stem|stems|gstem|gstems|dyn|lyrics|gchord|overlay|bracket|brace|space)"
    r'(?:=(?:"[^"]*"|\S+))?'
)
# Sharps of a signature by tonic and mode: fifths from C, moved by the mode.
FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
MODES = {"": 0, "maj": 0, "ion": 0, "dor": -2, "phr": -4, "lyd": 1, "mix": -1, "m": -3, "min": -3, "aeo": -3, "loc": -5}
ORDER_OF_SHARPS = "FCGDAEB"


@functools.lru_cache(4096)
def meter(value: str) -> Fraction:
    """Length of a bar in whole notes; 0 for free meter.

    Raises:
        ValueError: it is not a meter.
    """
    if value in ("", "none"):
        return Fraction(0)
    if value in ("C", "C|"):
        return Fraction(1)
    found = METER.fullmatch(value)
    if not found:
        raise ValueError(value)
    beats, part = sum(map(int, (found[1] or found[2]).split("+"))), int(found[3])
    if not beats or part not in POWERS_OF_TWO:
        raise ValueError(value)
    return Fraction(beats, part)


def is_compound(value: str) -> bool:
    """Whether a meter is 6/8, 9/8, 12/8 or the like, where (5 is five notes in the time of three (4.13)."""
    above = value.split("/")[0]
    return above in ("6", "9", "12") and "/" in value


@functools.lru_cache(4096)
def unit_length(value: str) -> Fraction:
    """Unit note length in whole notes.

    Raises:
        ValueError: it is not a length such as 1/8.
    """
    found = RATIO.fullmatch(value)
    if not found:
        raise ValueError(value)
    above, below = (int(found[1]), int(found[2])) if found[1] else (1, 1)
    if not above or below not in POWERS_OF_TWO:
        raise ValueError(value)
    return Fraction(above, below)


def default_unit(bar: Fraction) -> Fraction:
    """Unit note length of a tune that names none (3.1.7)."""
    return Fraction(1, 16) if 0 < bar < Fraction(3, 4) else Fraction(1, 8)


@functools.lru_cache(4096)
def check_tempo(value: str) -> None:
    """Check a tempo (3.1.8).

    Raises:
        ValueError: it is neither text, nor beats = number, nor both.
    """
    if not value:
        raise ValueError(value)
    rest = QUOTED.sub(" ", value, count=2).strip()
    if not rest:
        return
    beats = BEATS.fullmatch(rest)
    if beats:
        if not float(beats[2]):
            raise ValueError(value)
        for part in beats[1].split():
            unit_length(part)
    elif not OLD_TEMPO.fullmatch(rest) or not int(rest.split("=")[-1]):
        raise ValueError(value)


@functools.lru_cache(4096)
def key(value: str) -> dict[str, int]:
    """Semitones by which the signature of a key alters each letter, A to G. A clef and the like may follow the key.

    Raises:
        ValueError: it is not a key.
    """
    signature = dict.fromkeys("ABCDEFG", 0)
    rest = value
    if found := PIPES.match(rest):
        signature |= {"F": 1, "C": 1} if found[0] == "Hp" else {}
        rest = rest[found.end() :]
    elif found := NO_KEY.match(rest):
        rest = rest[found.end() :]
    elif found := TONIC.match(rest):
        tonic, sign = found["tonic"], found["sign"]
        if not found["exp"]:
            mode = (found["mode"] or "").lower()
            fifths = FIFTHS[tonic] + {"#": 7, "b": -7, "": 0}[sign] + MODES[mode if mode == "m" else mode[:3]]
            letters = ORDER_OF_SHARPS if fifths > 0 else ORDER_OF_SHARPS[::-1]
            for i in range(abs(fifths)):
                signature[letters[i % 7]] += 1 if fifths > 0 else -1
        rest = rest[found.end() :]
    elif rest and not PROPERTY.match(rest):
        raise ValueError(value)
    while found := ACCIDENTAL.match(rest):
        signature[found[2].upper()] = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}[found[1]]
        rest = rest[found.end() :]
    if not all(PROPERTY.fullmatch(word) for word in WORD.findall(rest)):
        raise ValueError(value)
    return signature
