"""Real tunes with one to four edits each, most of which leave them legal ABC: what cleaning is tried on.

An edit puts in a piece of ABC 2.1 where it may stand (a field, a directive, a comment, a sign of music, the end of a
line that goes on in the next), or changes a character. The same tunes and seed give the same texts.
"""

import random
from collections.abc import Callable, Iterator, Sequence

MIDI_COMMANDS = (
    "program 40", "program 1 41", "transpose 3", "transpose -2", "gchord fzcz", "gchordoff", "channel 3",
    "chordprog 20", "bassprog 45", "rtranspose 2", "nobarlines", "ratio 3 1", "grace 1/4", "beat 90 80 70 4",
)  # fmt: skip
MIDI_FORMS = ("%%MIDI ", "I:MIDI ", "%% MIDI ", "I: MIDI ", "%%MIDI\t", "%%MIDI  ", "I:MIDI=")
SETTINGS = (
    "linebreak !", "linebreak $", "linebreak <none>", "linebreak <EOL>", "linebreak $ <EOL>", "linebreak ! <EOL>",
    "decoration +", "decoration !", "propagate-accidentals octave", "propagate-accidentals not",
    "propagate-accidentals pitch", "abc-charset utf-8", "abc-version 2.1", "abc-creator a program", "abc-include",
    "writefields O 0", "score (1 2)", "staves {1 2}", "titleformat T0 C1", "text Words & words", "center A % B",
    "landscape 1", "measurenb 5", "postscript", "sep", "vskip 1cm", "newpage", "writeout-accidentals none",
)  # fmt: skip
BLOCKS = (
    "%%begintext\nX:3\nT:no tune\nK:G\nabc def|\n%%endtext", "%%begintext\n%%X:7\nwords, and K:D\n%%endtext",
    "%%begintext justify\nM:3/4\n%%endtext", "%%beginps\n/x {1 2 moveto} def\n%%endps", "%%begintext\n%%endtext",
)  # fmt: skip
TEXTS = (
    "T:A title", "T:50% of it", "T:50\\% of it", "T:fish &amp; chips % remark", "C:A. Composer", "O:Ireland",
    "A:North", "B:A book", "D:A record", "F:http://example.org/a.abc", "G:flute", "H:History, of some length",
    "N:note |: C D", "S:A source", "Z:A transcriber", "r:a remark", "r:remark % of two", "R:reel",
    "N:a note\n+:that goes on", "H:history\n+:K:D goes on\n+:and on", "T:title\n+:goes on", "+:goes on alone", "N:",
    "N: %", "r:",
)  # fmt: skip
USER = (
    "U:T=!trill!", "U: n = !nil!", "U:H=+fermata+", 'U:W = "^text"', "U:~ = !roll!", "U:u=!upbow! % comment",
    "m:~G2 = {A}G{F}G", "m: ~n2 = {o}n{m}n", "m:QG = G/G/", "U:h=!accent!",
)  # fmt: skip
HEADER_ONLY = (
    "M:6/8 % comment", "M:C|", "M:none", "L:1/4", "L:1/16 %", "Q:1/4=90", 'Q:"Allegro" 1/4=80', "Q:100", "P:AB",
    "V:1", 'V:1 clef=treble name="A & B"', "V:2 clef=bass", "V:1\nV:2", "M: 3/4 ", "L:\t1/8", "s:!p!",
    "W:words % and",
)  # fmt: skip
BODY_ONLY = (
    "K:D", "K:Am clef=bass % comment", "K:", "K:none", "M:6/8", "M:3/4 %", "L:1/16", "L:1/4", "Q:1/4=60", "P:B",
    "V:1", "V:2", "V:2 clef=bass", "V: 1 % comment", "w:la la la", "w:la-la % la", "w: a|b * c~d \\-e", "w:la\n+:la",
    "W:words", "W: K:D", "s:!p! * !f!", 's: "^x" *', "w:la\\", "w:", "W:", "T:part % two", "V:1\nz4|\nV:2\nz4|\nV:1",
)  # fmt: skip
HTML = (
    "</pre>", "<pre>", "<br>", "<p>", "<html><body>", "&nbsp;", "</body></html>", '<a href="x">x</a>', "<!-- c -->",
)  # fmt: skip
COMMENTS = (
    "%", "% a comment", "%abc-2.1", "%% ", "%%", "%M:3/4", "% X:2", "%%% line", "%!", "% \\", "%:|", "%%comment",
)  # fmt: skip
SIGNS = (
    "[r:remark]", "[r:]", "[N:a note]", "[N:50% and]", '[r: a|b "c]', "[R:reel]", "[I:MIDI program 40]",
    "[I:MIDI=program 40]", "[I: MIDI program 41]", "[I:linebreak !]", "[I:decoration +]", "[I:setbarnb 3]", "[K:D]",
    "[K:none]", "[K:Gm clef=bass]", "[K:C]", "[K: C]", "[M:6/8]", "[M:none]", "[L:1/16]", "[L:1/8]", "[V:1]", "[V:2]",
    "[V: 1]", "[U:T=!trill!]", "[U:n = !nil!]", "[Q:1/4=100]", "[P:B]", "[m:~G2 = {A}G{F}G]", '"Am"', '"^above"',
    '"_below & x"', '"50% text"', '"50\\% text"', '"&quot;"', '"[|: x"', '"A&#9837;"', '"&"', '"^!x!"', '"@1,2 free"',
    '"<("', "!trill!", "+trill+", "!fermata!", "+p+", "!", "!!", "+", "$", "T", "~", ".", "H", "u", "v", "S", "O",
    "!D.C.!", "!+!", "+!+", "!crescendo(!", "y", "y2", "z", "x", "Z", "z4", "{g}", "{/g}", "{ga}", "{g>a}", "(3abc",
    "(abc)", "(3:2:2ab", "a-a", "a>b", "a<b", "a>>b", "[ce]", "[ce-]e", "^c", "_B,", "=F", "c'", "C,,", "a/", "a//",
    "a3/2", "&", "|", "||", "|]", "[|", "|:", ":|", "::", "|1", ":|2", "[1", "[2", "|::", "::|", ".|", "[|]", ":|:",
    "|:|", "&gt;", "&lt;", "&amp;", "&quot;", "&nbsp;", "`", "\t", " ", "  ", "\u00a0", "*", "#", ";", "?", "@", "\\",
    "\\ ", "\u00e9", "\u0085",
)  # fmt: skip
BROKEN = (
    ">", "<", ">>", "- ", "-", "(3", ".", "~", "!trill!", "{a}", '"Am"', "^", "(", "[", "\\", "a>", "a-", "",
)  # fmt: skip
ENDS = (
    "\n", "\\\n", "\\ \n", "\\ % comment\n", "\\%\n", " % comment\n", "% comment \\\n", "%\n", "  \n", "\n  ",
    " \\\n ", "$\n", "!\n", "\\\n%\n", "\\\n% comment \\\n", "\\\\\n",
)  # fmt: skip
BEFORE = (
    " ", "  \t", "\ufeff", "free text\n\n", "<pre>\n", "%abc-2.1\n", "M:3/4\nL:1/4\n\n", "M:3/4\n", "% c\nL:1/16\n\n",
    "U:T=!roll!\n\n", "\n\n", "free K: text\nM:2/4\n\n", "I:linebreak !\n\n", "%%MIDI program 40\n\n",
    "I:decoration +\n%\n\n", "R:reel\nC:All of them\n\n", "Q:1/4=50\n\n", "m:~G2 = {A}G{F}G\n\n",
)  # fmt: skip
AFTER = (
    "\n\nfree text C D E|", "\n\nX:2\nT:second\nK:C\nCDEF|", "\nX:2\nT:second\nK:C\nCDEF|", "\n\nK:D\nabc|", "\n%",
    "\n\n\n", "\nW:words", "\nw:la", "\n</pre>", "\\", "\\\n", "\n\n%%begintext\nX:1\nK:C\nCDE|\n%%endtext",
)  # fmt: skip


def directives() -> list[str]:
    """Directives in all their spellings, each a line."""
    lines = [form + " " * blank + setting for form in ("%%", "I:") for blank in (0, 1) for setting in SETTINGS]
    lines += [form + command for form in MIDI_FORMS for command in MIDI_COMMANDS]
    return [*lines, *(f"{line} % comment" for line in lines[::3])]


DIRECTIVES = directives()
LINES = (TEXTS, DIRECTIVES, COMMENTS, USER, HTML, BLOCKS)
HEADER_LINES, BODY_LINES = (*LINES, HEADER_ONLY), (*LINES, BODY_ONLY)


def header_line(draw: random.Random, lines: list[str], body: int) -> None:
    """A line into the header."""
    lines.insert(draw.randrange(1, max(body, 2)), draw.choice(draw.choice(HEADER_LINES)))


def body_line(draw: random.Random, lines: list[str], body: int) -> None:
    """A line into the body; the line before it may go on in the one after it."""
    at = draw.randint(body, len(lines))
    lines.insert(at, draw.choice(draw.choice(BODY_LINES)))
    if at > body and draw.random() < 0.3:
        lines[at - 1] += draw.choice(BROKEN) + draw.choice(("", "\\", " \\", "\\ % comment"))


def place(draw: random.Random, line: str) -> int:
    """An index into a line, most often between two groups of notes."""
    gaps = [i for i, char in enumerate(line) if char in " |"] if draw.random() < 0.6 else []
    return draw.choice(gaps) + draw.randrange(2) if gaps else draw.randint(0, len(line))


def sign(draw: random.Random, lines: list[str], body: int) -> None:
    """A sign or several into a line of music, or in place of some characters."""
    if body >= len(lines):
        return
    k = draw.randrange(body, len(lines))
    line, at = lines[k], place(draw, lines[k])
    snippet = "".join(draw.choices(SIGNS, k=draw.choice((1, 1, 1, 2, 3))))
    if draw.random() < 0.2:
        snippet = draw.choice(BROKEN) + snippet + draw.choice(("", "a"))
    skipped = draw.choice((0, 0, 0, 1, 2))
    lines[k] = line[:at] + snippet + line[at + skipped :]


def line_end(draw: random.Random, lines: list[str], body: int) -> None:
    """A line of music is cut in two, or gets another end."""
    if body >= len(lines):
        return
    k = draw.randrange(body, len(lines))
    line = lines[k]
    at = place(draw, line) if draw.random() < 0.7 else len(line)
    more = (
        draw.choice(draw.choice((BODY_LINES, (COMMENTS, DIRECTIVES))[draw.randrange(2)])) + "\n"
        if draw.random() < 0.5
        else ""
    )
    lines[k] = line[:at] + draw.choice(("", "", "", draw.choice(BROKEN))) + draw.choice(ENDS) + more + line[at:]


def character(draw: random.Random, lines: list[str], body: int) -> None:
    """A character is left out, doubled, changed or swapped with the next."""
    k = draw.randrange(1, len(lines)) if len(lines) > 1 else 0
    line = lines[k]
    if not line:
        return
    at = draw.randrange(len(line))
    char, following = line[at], line[at + 1 : at + 2]
    new = draw.choice(("", char * 2, following + char, draw.choice("abcdefgCDGz2/|:[]{}()<>-&%\"!+\\ ^_='.,~T1")))
    lines[k] = line[:at] + new + line[at + (2 if new == following + char and following else 1) :]


EDITS: Sequence[Callable[[random.Random, list[str], int], None]] = (
    header_line, body_line, body_line, sign, sign, line_end, line_end, character,
)  # fmt: skip


def mutated(tune: str, draw: random.Random) -> str:
    """A tune with one to four edits."""
    lines = tune.rstrip("\n").split("\n")
    for _ in range(draw.choice((1, 1, 2, 2, 3, 4))):
        body = next((i + 1 for i, line in enumerate(lines) if line.startswith("K:")), len(lines))
        draw.choice(EDITS)(draw, lines, body)
        lines = "\n".join(lines).split("\n")
    text = "\n".join(lines) + "\n"
    if draw.random() < 0.15:
        text = draw.choice(BEFORE) + text
    if draw.random() < 0.1:
        text = text.rstrip("\n") + draw.choice(AFTER)
    if draw.random() < 0.05:
        text = text.replace("\n", draw.choice(("\r\n", "\r", " \n", "\t\n")))
    return text


def mutations(tunes: Sequence[str], n: int, seed: int) -> Iterator[str]:
    """n texts made of tunes; each depends on the tunes, the seed and its own number alone."""
    for i in range(n):
        draw = random.Random(f"{seed} {i}")
        yield mutated(draw.choice(tunes), draw)
