"""Clean tunes -> the same with fewer rests: long runs of silent bars become one multi-bar rest, silent voices go.

Conversions of MIDI have many of both. Bars cannot be cut out, since the voices would be out of step. So a run of
whole-bar rests is written as ``Z<n>``, which ABC 2.1 (section 4.5) defines as n bars of rest.
"""

import functools
import re
from fractions import Fraction

import numpy as np
from numba import njit

from workflow.scripts.notation.lines import BAR, IS_NOTE, NEWLINE, PERCENT, end_of_line, is_field_in_body, table_of

# No more digits or slashes than music has, since numbers of any size take any time.
LENGTH = r"\d{0,4}(?:/{1,8}\d{0,4})?"
# Rests in a row, and the plain bar line after them.
REST_BAR = re.compile(rf"((?:[zx]{LENGTH}[ \n]*)+)\|(?![|:\]\d])[ \n]*")
REST = re.compile(r"[zx](\d{0,4})(?:(/{1,8})(\d{0,4}))?")
VOICE = re.compile(r"^V:[ ]*(\S+).*\n", re.MULTILINE)
UNHEARD = re.compile(r'^(?:[A-Za-z+]:|%).*|"[^"\n]*"|![^!\n]*!|\[[A-Za-z]:[^\[\]\n]*\]', re.MULTILINE)
FOR_ALL = re.compile(r"^[PQ]:|\[[PQ]:", re.MULTILINE)  # fields of all voices, wherever they are: parts and tempo
NOTE = re.compile("[A-Ga-g]")
AT_ONCE = re.compile(r'^(?![A-Za-z+]:|%)[^"!\[\n]*[A-Ga-g]', re.MULTILINE)  # a line with a note before what is unheard
METERS = {"C": Fraction(1), "C|": Fraction(1)}
RATIO = re.compile(r"\d{1,4}(?:/\d{1,4})?")
IS_REST = table_of(b"zx")
CHANGES = ("\nM:", "\nL:", "[M:", "[L:")  # of how long a bar is


@njit(cache=True)
def longest_rests(text, bounds):
    """(n,) the longest run of bars in each of n tunes that have a rest and none of the letters of notes.

    It is no less than the longest run of bars that `shorten_rests` would merge.
    """
    longest = np.zeros(len(bounds) - 1, dtype=np.int64)
    for t in range(len(bounds) - 1):
        run = 0
        has_rest = has_note = False
        i, stop = bounds[t], bounds[t + 1]
        while i < stop:
            byte = text[i]
            if byte == BAR:
                run = 0 if has_note else run + has_rest
                longest[t] = max(longest[t], run)
                has_rest = has_note = False
            elif IS_REST[byte]:
                has_rest = True
            elif IS_NOTE[byte]:
                has_note = True
            elif byte == NEWLINE and i + 2 < stop and (text[i + 1] == PERCENT or is_field_in_body(text, i + 1, stop)):
                i = end_of_line(text, i + 1, stop)  # a directive, or a field, which may be of a new voice
                run = 0
                has_rest = has_note = False
                continue
            i += 1
    return longest


def shorten_rests(text: str, max_bars: int) -> str:
    """A clean tune without silent voices, and with each run of more than ``max_bars`` whole-bar rests as one."""
    header, key, body = text.partition("\nK:")
    key_line, newline, music = body.partition("\n")
    if not key or not music:
        return text
    music = drop_silent_voices(music)
    bar = bar_length(header)
    if bar and not music.startswith(("M:", "L:")) and not any(sign in music for sign in CHANGES):
        music = merge_rests(music, bar, max_bars)
    return header + key + key_line + newline + music


def bar_length(header: str) -> Fraction | None:
    """Length of a bar in units of L:, or None if the header does not say."""
    fields = dict(re.findall(r"^([ML]):[ ]*(\S+)", header, re.MULTILINE))
    try:
        meter = METERS.get(fields["M"]) or ratio(fields["M"])
        unit = ratio(fields["L"]) if "L" in fields else Fraction(1, 16) if meter < Fraction(3, 4) else Fraction(1, 8)
        return meter / unit
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def ratio(text: str) -> Fraction:
    """A meter or a length such as 6/8.

    Raises:
        ValueError: it is something else, such as ``1e999999999``, which Fraction would work out.
    """
    if not RATIO.fullmatch(text):
        raise ValueError(text)
    return Fraction(text)


@functools.lru_cache(1 << 14)
def lasting(rests: str) -> Fraction:
    """How many units some rests last."""
    return sum((length(*parts) for parts in REST.findall(rests)), Fraction(0))


def length(above: str, slashes: str, below: str) -> Fraction:
    """A note length in units: nothing is 1, '/' and '/2' a half, '//' a quarter, '3/2' one and a half."""
    divisor = int(below) if below else 2 ** len(slashes)
    return Fraction(int(above or 1), max(divisor, 1))


@functools.cache
def silent_bars(least: int) -> re.Pattern[str]:
    """Matches so many bars of rests in a row or more, from where a bar or a line begins; group 1 is the bars."""
    return re.compile(rf"(?:\A|[|\n] ?)((?:{REST_BAR.pattern}){{{least},}})")


def merge_rests(music: str, bar: Fraction, max_bars: int) -> str:
    """The body with each run of more than ``max_bars`` whole-bar rests as one; ``bar`` is a bar's length in units."""
    parts: list[str] = []
    run: list[re.Match] = []
    done = 0

    def end_run() -> None:
        nonlocal done
        if len(run) > max_bars:
            parts.append(f"{music[done : run[0].start()]}Z{len(run)}|")
            done = run[-1].end()
            parts.append("\n" if music[done - 1] == "\n" else " ")
        run.clear()

    for silence in silent_bars(max_bars + 1).finditer(music):
        for match in REST_BAR.finditer(music, *silence.span(1)):
            if lasting(match[1]) == bar:
                run.append(match)
            else:
                end_run()
        end_run()
    return "".join(parts) + music[done:]


def drop_silent_voices(music: str) -> str:
    """The body without the parts of voices in which no note is played; all of it if none is.

    A part reaches from one V: line to the next, so nothing is known of it where voices also change within a line.
    """
    starts = [*VOICE.finditer(music)]
    if len(starts) < 2 or "[V:" in music:
        return music
    ends = [match.start() for match in starts[1:]] + [len(music)]
    parts = [(match[1], music[match.start() : end]) for match, end in zip(starts, ends, strict=True)]
    playing = {voice for voice, part in parts if AT_ONCE.search(part) or NOTE.search(UNHEARD.sub("", part))}
    if not playing:
        return music
    playing |= {voice for voice, part in parts if voice not in playing and FOR_ALL.search(part)}
    return music[: starts[0].start()] + "".join(part for voice, part in parts if voice in playing)
