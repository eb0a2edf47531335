"""The signs of ABC music, and the length that a note's digits and slashes give it.

After the standard, ABC 2.1 (abcnotation.com/wiki/abc:standard:v2.1), section 4. `TOKEN` cuts a line of music into
signs, every character of it.
"""

import functools
import re
from fractions import Fraction

from workflow.scripts.notation.findings import TICKS, Time

LENGTH = r"\d*(?:/+\d*)*"
TOKEN = re.compile(
    rf"""
    (?P<note>([\^_=]*)([A-Ga-g])([,']*)({LENGTH}))
    |(?P<blank>[ \t`]+)
    |(?P<bar>(?P<line>\[\|\]|\[\|:*|:*\.?\|+\]?:*|::+)(?:\[?(?P<bar_numbers>\d+(?:[,-]\d+)*))?)
    |(?P<rest>[zx](?P<rest_length>{LENGTH}))
    |(?P<inline>\[(?P<letter>[A-Za-z]):(?P<value>[^\]\n]{{0,500}})\])
    |(?P<ending>\[(?P<numbers>\d+(?:[,-]\d+)*))
    |(?P<chord>\[)
    |(?P<chord_end>\](?P<chord_length>{LENGTH}))
    |(?P<broken>>{{1,3}}|<{{1,3}})
    |(?P<tie>\.?-)
    |(?P<tuplet>\((?P<p>\d+)(?::(?P<q>\d*))?(?::(?P<r>\d*))?)
    |(?P<slur>\.?\()
    |(?P<slur_end>\))
    |(?P<quoted>"[^"\n]*")
    |(?P<decoration>![^\s!|]{{1,32}}!|\+[^\s+|]{{1,32}}\+)
    |(?P<grace>\{{/?)
    |(?P<grace_end>\}})
    |(?P<overlay>&+)
    |(?P<multi>[ZX]\d*)
    |(?P<spacer>y\d*)
    |(?P<mark>[.~H-Wh-w])
    |(?P<reserved>[#*;?@$]+)
    |(?P<other>.)
    """,
    re.VERBOSE,
)
AT_BAR_LINE = frozenset("HOS")  # a fermata, coda or segno may stand over one
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


@functools.lru_cache(1 << 14)
def length_of(text: str) -> tuple[Time, str, str]:
    """(time, tier, message) of a note length in units: '' is 1, '/' a half, '//' a quarter, '3/2' one and a half.

    The time is in `TICKS` to the unit, and that of 1 if the text is no length. Tier and message are empty if it is one.
    """
    above, slash, below = text.partition("/")
    slashes = len(below) - len(below.lstrip("/")) + 1 if slash else 0
    first, more, _ = below.lstrip("/").partition("/")
    if max(len(above), len(first), slashes) > MAX_DIGITS:
        return TICKS, "hard", f"a length of too many digits or slashes, {text[:20]}"
    if (above and not int(above)) or (first and not int(first)):
        return TICKS, "hard", f"a length of zero or a division by zero, {text}"
    divisor = int(first) if first else 2**slashes
    time = scaled(TICKS, int(above or 1), divisor)
    if more:
        return time, "soft", f"a length that divides twice, {text[:20]}"
    if divisor & (divisor - 1):
        return time, "soft", f"a length that no note sign has, {text}"
    return time, "", ""


def scaled(time: Time, above: int, below: int) -> Time:
    """The time times above / below, as an int wherever it is one: sums of ints are ten times as fast."""
    if above == below:
        return time
    product = time * above
    if isinstance(product, int) and product % below == 0:
        return product // below
    exact = Fraction(product) / below
    return exact.numerator if exact.denominator == 1 else exact
