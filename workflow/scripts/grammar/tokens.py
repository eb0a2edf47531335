"""The signs of ABC music, and the length that a note's digits and slashes give it.

After the standard, ABC 2.1 (abcnotation.com/wiki/abc:standard:v2.1), section 4. `TOKEN` cuts a line of music into
signs, every character of it; `TOKEN_WITH_BREAKS` does where I:linebreak has made ! a sign of its own.
"""

import functools
import re
from fractions import Fraction

from workflow.scripts.grammar import rules_of_music as rules
from workflow.scripts.grammar.findings import TICKS, Time
from workflow.scripts.grammar.rules_of_text import Rule

LENGTH = r"\d*(?:/+\d*)*"
ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|\#\d{1,7}|\#x[0-9A-Fa-f]{1,6});")
NUMBERS = r"\d+(?:[,-]\d+)*"  # of endings
EXCLAMATION = r"![^\s!|]{1,32}!|"


def signs(exclamation: str) -> re.Pattern[str]:
    """A pattern of one sign; ``exclamation`` is a pattern of decorations between exclamation marks, or nothing."""
    return re.compile(
        rf"""
        (?P<note>([\^_=]*|[\^_](?:\d{{1,3}}(?:/\d{{0,3}})?|/\d{{0,2}}))([A-Ga-g])([,']*)({LENGTH}))
        |(?P<blank>[ \t`]+)
        |(?P<bar>(?P<line>:*(?:\.?\||\[\|)(?:\||\]|\[(?=\|))*(?:(?<!\]):*|(?::+(?![:|]))?)|::+|:\])(?:\[?(?P<bar_numbers>{NUMBERS}))?)
        |(?P<rest>[zx](?P<rest_length>{LENGTH}))
        |(?P<inline>\[(?P<letter>[A-Za-z]):(?P<value>[^\]\n]{{0,500}})\])
        |(?P<ending>\[(?P<numbers>{NUMBERS}))
        |(?P<named_ending>\["(?P<name>[^"\n]{{0,80}})"(?![^|\n]{{0,200}}\]))
        |(?P<chord>\[)
        |(?P<chord_end>\](?P<chord_length>{LENGTH}))
        |(?P<broken>>{{1,3}}|<{{1,3}})
        |(?P<tie>\.?-)
        |(?P<tuplet>\((?P<p>\d+)(?::(?P<q>\d*))?(?::(?P<r>\d*))?)
        |(?P<span>\(&)
        |(?P<slur>\.?\()
        |(?P<slur_end>\))
        |(?P<quoted>"[^"\n]*")
        |(?P<decoration>{exclamation}\+[^\s+|]{{1,32}}\+)
        |(?P<grace>\{{/?)
        |(?P<grace_end>\}})
        |(?P<entity>{ENTITY.pattern})
        |(?P<span_end>&\))
        |(?P<overlay>&+)
        |(?P<multi>[ZX]\d*)
        |(?P<spacer>y[\d/]*)
        |(?P<mark>[.~H-Wh-w])
        |(?P<reserved>[#*;?@$]+)
        |(?P<other>.)
        """,
        re.VERBOSE,
    )


TOKEN, TOKEN_WITH_BREAKS = signs(EXCLAMATION), signs("")
# Decorations that the standard names (4.14).
STANDARD = """
    trill trill( trill) lowermordent uppermordent mordent pralltriller roll turn turnx invertedturn invertedturnx
    arpeggio > accent emphasis fermata invertedfermata tenuto 0 1 2 3 4 5 + plus snap slide wedge upbow downbow open
    thumb breath pppp ppp pp p mp mf f ff fff ffff sfz crescendo( <( crescendo) <) diminuendo( >( diminuendo) >)
    segno coda D.S. D.C. dacoda dacapo fine shortphrase mediumphrase longphrase 8va( 8va) 8vb( 8vb) 15ma( 15ma)
    editorial courtesy marcato ^ staccato D.S.alcoda D.S.alfine D.C.alcoda D.C.alfine sfp fp /// // /
"""
DECORATIONS = frozenset(STANDARD.split())
MAX_DIGITS = 4  # of a length
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of q; for 5, 7 and 9 it depends on the meter (4.13)
Tuplet = tuple[
    int, int, int
]  # notes left of it, and the numerator and denominator that their lengths are multiplied by
NO_TUPLET: Tuplet = (0, 1, 1)


@functools.lru_cache(1 << 14)
def length_of(text: str) -> tuple[Time, Rule | None]:
    """(time, the rule that it breaks) of a note length in units: '' is 1, '/' a half, '//' a quarter, '3/2' 1.5.

    The time is in `TICKS` to the unit, and that of 1 if the text is no length. 0 counts as 1, as programs play it.
    """
    above, slash, below = text.partition("/")
    slashes = len(below) - len(below.lstrip("/")) + 1 if slash else 0
    first, more, _ = below.lstrip("/").partition("/")
    if max(len(above), len(first), slashes) > MAX_DIGITS:
        return TICKS, rules.LENGTH_DIGITS
    if first and not int(first):
        return TICKS, rules.LENGTH_ZERO
    divisor = int(first) if first else 2**slashes
    time = scaled(TICKS, int(above or 1) or 1, divisor)
    if above and not int(above):
        return time, rules.LENGTH_NOTHING
    if more:
        return time, rules.LENGTH_TWICE
    if divisor & (divisor - 1):
        return time, rules.LENGTH_ODD
    return time, None


@functools.lru_cache(1 << 10)
def tuplet_of(p: str, q: str | None, r: str | None, compound: bool) -> tuple[Tuplet, Rule | None]:
    """(tuplet, the rule that it breaks) of (p:q:r in a meter that is ``compound`` or not; `NO_TUPLET` if it is none."""
    if max(len(p), len(q or ""), len(r or "")) > 2 or not 1 <= int(p) <= 32 or not int(q or 1) or not int(r or 1):
        return NO_TUPLET, rules.TUPLET
    n = int(p)
    tuplet = (int(r or n), int(q) if q else TUPLETS.get(n, 3 if compound else 2), n)
    if n == 1:
        return tuplet, rules.TUPLET_ONE
    return tuplet, rules.TUPLET_TIME if not q and n > 9 else None


def scaled(time: Time, above: int, below: int) -> Time:
    """The time times above / below, as an int wherever it is one: sums of ints are ten times as fast."""
    if above == below:
        return time
    product = time * above
    if isinstance(product, int) and product % below == 0:
        return product // below
    exact = Fraction(product) / below
    return exact.numerator if exact.denominator == 1 else exact
