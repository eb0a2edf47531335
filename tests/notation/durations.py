"""How long the voices of a tune last, by regular expressions, and headers of tunes to count it in."""

import re
from fractions import Fraction

ELEMENT = re.compile(
    r'"[^"]*"|!\w+!|\[([A-Za-z]):([^]]*)\]|\{[^}]*\}|(?:\[[^]|:]+\]|[_^=]*[A-Ga-gxz][,\']*)([\d/]*)|Z(\d*)'
)


def header(meter: str, unit: str | None) -> str:
    return f"X:1\nM:{meter}\n" + (f"L:{unit}\n" if unit else "") + "K:C\n"


def units(length: str) -> Fraction:
    """Such as 3/2 or // as a number."""
    while "//" in length or length.endswith("/"):
        length = f"{length}2" if length.endswith("/") and "//" not in length else length.replace("//", "/4/", 1)[:-1]
    return Fraction(f"1{length}" if length.startswith("/") else length or 1)


def durations(tune: str, bar: int) -> dict[str, Fraction]:
    """Length of every voice in units, of notes, chords and rests as written."""
    total: dict[str, Fraction] = {}
    voice = ""
    for line in tune.split("\nK:", 1)[1].split("\n")[1:]:
        if line.startswith("V:"):
            voice = line[2:].split()[0]
        if re.match("[A-Za-z]:(?!\\|)|%", line):
            continue
        for element in ELEMENT.finditer(line):
            if element[1] == "V":
                voice = element[2].split()[0]
            bars = 0 if element[4] is None else int(element[4] or 1)
            lasts = bar * bars if element[3] is None else units(element[3])
            total[voice] = total.get(voice, 0) + lasts
    return {voice: length for voice, length in total.items() if length}
