"""A text that was cut off at a limit, up to where it is whole.

Needs a text that its writer had not ended; makes what of it can be judged. Voices are written in turn, line by line or
each whole, so the cut is in one of them: that one goes back to its last bar line, and where it has none, to
before its name. The voices before it stay as they are, though they may be bars ahead then: a voice may end early
(`grammar.rhythm`). Of what remains, a sign that waits for its other half (a tie, a slur, a repeat, a first ending) may
have had it after the cut, so it is taken out, and no reader misses the other half.
"""

import re

from workflow.scripts.grammar.checker import COMMENT, FIELD, MUSIC_WITH_COLON, parse
from workflow.scripts.grammar.tokens import TOKEN

HEADER = re.compile(r"(?:.*\n)*?[ \t]*K:.*\n")
HAVE_TIME = frozenset(("note", "rest", "multi"))  # signs of music, by the names of `TOKEN`
# Signs that may wait for another: an ending, with its bar line if it has one; a repeat; a tie or slur.
OPEN = re.compile(r"(?P<line>[:|\]\[.]*?)\[?\d[\d,-]*|(?P<closes>:*)(?P<bar>[|\]\[.]*)(?P<opens>:+)|\.?[-(]")
TIE = re.compile(r"\.?-")


def whole_bars(text: str, prompt_chars: int = 0) -> tuple[str, int] | None:
    """What can be judged of a text that was cut, and how many characters of it are a prompt's.

    Args:
        prompt_chars: of the text, that were given to its writer.

    Returns:
        None if no bar of the writer's own is whole: of the header and the prompt there is nothing to judge.
    """
    end = end_of_bars(text)
    if end <= prompt_chars:
        return None
    return without_open_signs(text[:end], prompt_chars)


def end_of_bars(text: str) -> int:
    """Offset of the end of the last whole bar, 0 if there is none."""
    header = HEADER.match(text)
    at = end = header.end() if header else len(text)
    has_music = sounds = False  # anywhere before the end; in this voice
    for line in text[at:].split("\n"):
        field = FIELD.match(line)
        if field and field[1] == "V":
            has_music, sounds, end = has_music or sounds, False, at
        elif not field or MUSIC_WITH_COLON.match(line):
            comment = COMMENT.search(line)
            for sign in TOKEN.finditer(line, 0, comment.start() if comment else len(line)):
                if sign.lastgroup == "inline" and sign["letter"] == "V":
                    has_music, sounds, end = has_music or sounds, False, at + sign.start()
                elif sign.lastgroup in HAVE_TIME:
                    sounds = True
                elif sign.lastgroup == "bar" and sounds:
                    has_music, end = True, at + sign.end("line")
        at += len(line) + 1
    return end if has_music else 0


def without_open_signs(text: str, prompt_chars: int) -> tuple[str, int]:
    """A text without the signs that wait for another at the end of a voice, and how much of it is the prompt's."""
    wanted = OPEN
    while offsets := {at for part in parse(text).parts.values() for at in part.open if wanted.match(text, at)}:
        kept, end = [], 0
        for at in sorted(offsets):
            sign, instead = remainder(text, at)
            kept += [text[end:at], instead]
            end = at + len(sign)
            prompt_chars -= (len(sign) - len(instead)) * (at < prompt_chars)
        text, wanted = "".join([*kept, text[end:]]), TIE  # of two for one note of a chord, one was not among the signs
    return text if text.endswith("\n") else text + "\n", prompt_chars


def remainder(text: str, at: int) -> tuple[str, str]:
    """A sign that waits for another, and what of it does not: of a repeat and an ending the bar line."""
    sign = OPEN.match(text, at)
    assert sign  # as is known of `at`
    if sign["opens"] is None:
        return sign[0], sign["line"] or ""
    return sign[0], f"{sign['closes']}|" if not sign["bar"] else sign["closes"] + sign["bar"].ljust(2, "|")
