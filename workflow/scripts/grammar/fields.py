"""The fields of ABC that a tune's sound depends on: whether each is well formed, and what it says.

Needs the value of a field, without its letter and colon. After the standard, ABC 2.1
(abcnotation.com/wiki/abc:standard:v2.1), sections 3.1 and 4.6.
"""

import functools
import re
from fractions import Fraction

POWERS_OF_TWO = {1 << k for k in range(10)}  # the shortest note that the standard names is 1/512
METER = re.compile(r"(?:\((\d{1,3}(?:\+\d{1,3})*)\)|(\d{1,3}(?:\+\d{1,3})*))/(\d{1,3})")
BLANKS_IN_METER = re.compile(r"\s*([/+()])\s*")
SEVERAL_METERS = re.compile(r"\d{1,3}(?:/\d{1,3})?(?:\s+\d{1,3}/\d{1,3})*")  # M:2/4 3/4, or M:2
RATIO = re.compile(r"(\d{1,3})/(\d{1,3})|1")
QUOTED = re.compile(r'"[^"]*"')
BEATS = re.compile(r"(\d{1,3}/\d{1,3}(?:\s+\d{1,3}/\d{1,3}){0,3})\s*=\s*(\d{1,4}(?:\.\d{1,3})?)")
LOOSE_TEMPO = re.compile(r"\d{1,3}/\d{1,3}\s*=\s*[a-z.]*\s*\d{1,4}(?:\s*-\s*\d{1,4})?")  # 1/4=90-95, 1/4=ca. 90
OLD_TEMPO = re.compile(r"(?:C\d?(?:/\d)?\s*=\s*)?\d{1,4}")  # 120, C=120: deprecated, and still defined (10.1)
TONIC = re.compile(
    r"(?P<tonic>[A-G])(?P<sign>[#b]?)\s*"
    r"(?P<mode>(?i:major|maj|ionian|ion|dorian|dor|phrygian|phr|lydian|lyd|mixolydian|mix|minor|min|m|aeolian|aeo"
    r"|locrian|loc))?\s*(?P<exp>(?i:exp))?(?=\s|$|[\^_=])"
)
PIPES = re.compile(r"(?:HP|Hp)(?=\s|$)")
NO_KEY = re.compile(r"none(?=\s|$)")
ACCIDENTAL = re.compile(r"\s*(\^\^|\^|__|_|=)([A-Ga-g])")
MICROTONE = re.compile(r"\s*[\^_](?:\d{1,3}(?:/\d{1,3})?|/)[A-Ga-g]")
VOICE = re.compile(r"(?:^|\[)V:[ \t]*([^\s\]]+)", re.MULTILINE)  # a voice that is named, with its name
WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
CLEF = r"(?:treble|alto|tenor|bass|perc|none|[CFG][1-5]?|auto)[1-5]?(?:[+-]8|[+-]15)?"
PROPERTY = re.compile(
    rf"(?:clef=)?{CLEF}|(?:clef|middle|m|transpose|t|octave|stafflines|staffscale|style|score|sound|shift|cue|instrument"
    r"|name|nm|subname|snm|sname|merge|up|down|stem|stems|gstem|gstems|dyn|lyrics|gchord|overlay|bracket|brace|space)"
    r'(?:=(?:"[^"]*"|\S+))?|\w+:\S+'  # the last is one of a single program (4.6)
)
UNKNOWN_PROPERTY = re.compile(r"[+-]?\w[\w#+-]*")  # of a clef and the like: an unknown name is ignored (4.6)
# Sharps of a signature by tonic and mode: fifths from C, moved by the mode.
FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
MODES = {"": 0, "maj": 0, "ion": 0, "dor": -2, "phr": -4, "lyd": 1, "mix": -1, "m": -3, "min": -3, "aeo": -3, "loc": -5}
ORDER_OF_SHARPS = "FCGDAEB"
SYMBOL = re.compile(r"([H-Wh-w~.])\s*=\s*(\S.*)")
REMOVES_SYMBOL = frozenset(("!nil!", "!none!"))


@functools.lru_cache(4096)
def meter(value: str) -> tuple[Fraction, bool]:
    """(length of a bar in whole notes, 0 for free meter; whether all programs read it so).

    Several meters, or a number alone, give a bar no length.

    Raises:
        ValueError: it is not a meter.
    """
    if value in ("", "none"):
        return Fraction(0), True
    if value in ("C", "C|"):
        return Fraction(1), True
    solid = BLANKS_IN_METER.sub(r"\1", value)
    found = METER.fullmatch(solid)
    if found:
        beats, part = sum(map(int, (found[1] or found[2]).split("+"))), int(found[3])
        if not beats or not part:
            raise ValueError(value)
        return Fraction(beats, part), part in POWERS_OF_TWO and solid == value
    if not SEVERAL_METERS.fullmatch(solid) or re.search(r"(?:^|\D)0+(?:\D|$)", solid):
        raise ValueError(value)
    return Fraction(0), False


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
def check_tempo(value: str) -> bool:
    """Check a tempo (3.1.8); whether all programs read it.

    Raises:
        ValueError: it is neither text, nor beats = number, nor both.
    """
    if not value:
        raise ValueError(value)
    rest = QUOTED.sub(" ", value, count=2).strip()
    if not rest:
        return True
    beats = BEATS.fullmatch(rest)
    if beats:
        if not float(beats[2]):
            raise ValueError(value)
        for part in beats[1].split():
            unit_length(part)
    elif LOOSE_TEMPO.fullmatch(rest):
        return False
    elif not OLD_TEMPO.fullmatch(rest) or not int(rest.split("=")[-1]):
        raise ValueError(value)
    return True


@functools.lru_cache(4096)
def key(value: str) -> tuple[dict[str, int], bool]:
    """(semitones by which the signature of a key alters each letter, A to G; whether all programs read the key so).

    A clef and the like may follow the key.

    Raises:
        ValueError: it is not a key.
    """
    signature = dict.fromkeys("ABCDEFG", 0)
    is_standard = True
    rest = value
    if found := PIPES.match(rest):
        signature |= {"F": 1, "C": 1} if found[0] == "Hp" else {}
        rest = rest[found.end() :]
    elif found := NO_KEY.match(rest):
        rest = rest[found.end() :]
    elif found := TONIC.match(rest):
        if not found["exp"]:
            add_sharps(signature, fifths_of(found["tonic"], found["sign"], found["mode"] or ""))
        rest = rest[found.end() :]
    elif ACCIDENTAL.match(rest):
        is_standard = False
    elif not all(PROPERTY.fullmatch(word) for word in WORD.findall(rest)):
        raise ValueError(value)
    while found := ACCIDENTAL.match(rest) or MICROTONE.match(rest):
        if found.re is ACCIDENTAL:
            signature[found[2].upper()] = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}[found[1]]
        else:
            is_standard = False
        rest = rest[found.end() :]
        is_standard = is_standard and rest[:1] not in (",", "'")
        rest = rest.lstrip(",'")
    others = [word for word in WORD.findall(rest) if not PROPERTY.fullmatch(word)]
    if not all(UNKNOWN_PROPERTY.fullmatch(word) for word in others):
        raise ValueError(value)
    return signature, is_standard and not others


def fifths_of(tonic: str, sign: str, mode: str) -> int:
    """Sharps of a key's signature; flats are below 0."""
    mode = mode.lower()
    return FIFTHS[tonic] + {"#": 7, "b": -7, "": 0}[sign] + MODES[mode if mode == "m" else mode[:3]]


def add_sharps(signature: dict[str, int], fifths: int) -> None:
    """Raise (or, below 0, lower) as many letters of a signature, in their order."""
    letters = ORDER_OF_SHARPS if fifths > 0 else ORDER_OF_SHARPS[::-1]
    for i in range(abs(fifths)):
        signature[letters[i % 7]] += 1 if fifths > 0 else -1


def voice_name(value: str) -> str:
    """The name of the voice that V: is about; "" if there is none."""
    return "".join(value.split(maxsplit=1)[:1])


def symbols(value: str, known: frozenset[str]) -> frozenset[str]:
    """The letters that are symbols after U: has said this, of those ``known`` before (4.16).

    Raises:
        ValueError: it defines none.
    """
    found = SYMBOL.fullmatch(value)
    if not found:
        raise ValueError(value)
    return known - {found[1]} if found[2] in REMOVES_SYMBOL else known | {found[1]}


def letters_of_macro(value: str) -> frozenset[str]:
    """Letters that the music may have since m: expands them (9): those before the =, but for a note's variable n."""
    target = value.partition("=")[0].strip()
    letters = {letter for letter in target if letter == "~" or letter in "HIJKLMNOPQRSTUVWhijklmnopqrstuvw"}
    return frozenset(letters - {"n"} or letters)
