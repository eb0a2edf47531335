"""The page on the checker: how it is used, all that it says, and where programs and ABC 2.1 disagree.

Needs the lists of rules, the disputed notations, and what programs were recorded to say of these; makes Markdown. Every
example is given to the checker as the page is written, and what is said of it is what the page says.
"""

import re
from collections.abc import Iterator

from workflow.scripts.base.errors import InputError
from workflow.scripts.grammar import rules_of_music as music
from workflow.scripts.grammar import rules_of_text as text
from workflow.scripts.grammar.findings import TIERS
from workflow.scripts.grammar.rules_of_text import NO_OWN_NOTE, Rule
from workflow.scripts.manual.disputed import DISPUTED, Disputed
from workflow.scripts.manual.examples import HEADER, judged, rules, says, tune_of

STANDARD = "https://abcnotation.com/wiki/abc:standard:v2.1"
# What each part of the lists is about, by the rule that it begins with.
PARTS = {
    text.NO_X: "Files",
    text.BLANK_BEFORE_FIELD: "Fields",
    music.ACCIDENTAL: "Notes",
    music.REPEAT_OPEN: "Bars, repeats and endings",
    music.TIE_ALONE: "Ties, slurs and grace notes",
    music.TUPLET: "Tuplets",
    music.LETTER: "Decorations, chords and texts",
    music.OVERLAY_SPAN: "Overlays, and signs that are none",
    music.BAR_LONG: "Rhythm",
}
USE = f"""# The checker of ABC

`eval_syntax` says of each tune of a folder or a tunebook whether it is legal ABC, and where not, in which line and
column and why. It holds the standard, [ABC 2.1][abc], and needs nothing of this repository's study: no corpus, no model
and no Snakemake.

## Install and run

In a copy of this repository, with Python 3.11 or newer; four packages are enough:

```bash
pip install ftfy numba numpy zstandard
python -m workflow.scripts.eval_syntax --folder tunes --steps syntax rhythm
```

| you have | you write |
| --- | --- |
| a folder of `.abc` files, at any depth, one tune each | `--folder tunes` |
| a tunebook, with many tunes in a file | `--folder book.abc --split` |
| a program that reads the verdicts | `--json verdicts.json` |
| a build that should fail when tunes are wrong | `--fail_under 1` (of every step asked for, the share that must pass) |

Steps `syntax` and `rhythm` need no other program. The other steps ask abc2midi and music21 what they make of each tune
(`pip install -r requirements.txt` brings both); they run under limits on time and memory, so the tunes may be anyone's.
A file may be in UTF-8, UTF-16, UTF-32 or an older charset, with any line ends. The command ends with status 1 where a
rate is below `--fail_under`, and where there is nothing to judge. `--help` says more.

## Read a verdict

The command prints the share of tunes that pass each step, with its 95% interval, and the files with the most messages;
`--json` has the messages of every tune, with `line` and `column` from 1, `tier` and `message`. A message's tier says
how grave it is. With `--split` a verdict is called `book.abc:12` if it is of the tune whose `X:` is in line 12, and the
lines of its messages are those of the file.

| tier | is said of | the tune |
| --- | --- | --- |
| **hard** | what the standard has no rule for | fails `syntax` |
| **balance** | a sign without its other half: repeats, endings, ties, slurs | fails `syntax` |
| **rhythm** | bars that do not last what the meter says, voices that are out of step | fails `rhythm`, is legal |
| **silent** | a tune of rests or chord symbols alone | is legal (`syntax_valid`), and passes no step |
| **soft** | what readers are asked to ignore, or programs take all the same | passes |

The first and last bar of a section may be short, none may be long. A bar that is full at the end of a line is over
there, without a bar line, too. A tune in free meter has no verdict on its rhythm.

Voices are compared bar by bar. One that stops with a plain bar line has ended early, as in conversions of MIDI:
neither its last bar nor what the others have after it is compared. One that stops with `|]`, or another end of a
section, has as many bars as the others or is out of step. `voice_bars` counts the places at which two voices or more
were compared: a voice that ends at once is right by saying little, and is not counted.

A table of samples (the CSV that `sample` writes beside its tunes) may say that a tune was cut at a limit of length. It
is judged up to the last bar line of the voice that it was cut in; where that voice has none, up to the voice before
it. A tie, slur, repeat or first ending that waits there for its other half is taken out, for abc2midi and music21 as
for the checker. A tune that was cut before a bar of it was whole passes no step.

## Messages

In the order of the checker's lists. What is in *italics* is what was found, and changes from tune to tune. An example
that has no `X:` and no `K:` is the music of a tune in 4/4 with a unit of 1/8, so that its first line is line 6:

```abc
{HEADER}```
"""
DISAGREE = """## Where programs and the standard disagree

Some notations are common though the standard does not have them, or are in it though programs refuse them. The table
has what we hold, which is the checker's own verdict, and whether a program takes it, as `compare_programs` recorded of
{programs}.

A program takes what it reports no error in; abc2midi and music21 must find a note, too. To take a notation is not to
understand it: music21 skips signs that it does not know. Below the table stands what the standard says, why we hold
what we hold, and in *italics* the errors that programs report.
"""


def page(record: dict) -> str:
    """The page.

    Args:
        record: what `compare_programs` wrote.

    Raises:
        InputError: it lacks a notation, or an example is not judged as its rule says.
    """
    blocks = [USE]
    for rule in rules():
        if rule in PARTS:
            blocks.append(f"### {PARTS[rule]}\n")
        blocks.append(message_block(rule))
    versions = [f"{name} {version}" for name, version in record["programs"].items()]
    blocks.append(DISAGREE.format(programs=", ".join(versions)))
    blocks.append("\n".join(table_of_disputes(record)) + "\n")
    blocks += [dispute(notation, errors_of(notation, record)) for notation in DISPUTED]
    return "\n".join(blocks) + f"\n\n[abc]: {STANDARD}\n"


def message_block(rule: Rule) -> str:
    """A rule: its message, tier, section and sentence, a text that breaks it and one that keeps it."""
    found = next((m for m in judged(rule.wrong, rule).located() if says(m["message"], rule)), None)
    if not found or any(says(message.text, rule) for message in judged(rule.right, rule).messages):
        raise InputError(f"the examples of the rule {rule.message!r} are not judged as it says")
    before, _, after = rule.message.partition("{}")
    before, after = before.format(), after.format()
    what = found["message"].removeprefix(before).removesuffix(after)
    title = f"{escaped(before)}*{escaped(what)}*{escaped(after)}" if "{}" in rule.message else escaped(before)
    where = f"at {found['line']}:{found['column']}"
    wrong, right = rule.wrong, rule.right
    if tune_of(wrong) == wrong:  # the right one is easiest to see beside it if it is whole, too
        right = tune_of(right)
    if rule is NO_OWN_NOTE:
        wrong, where = HEADER.rstrip(), f"where all of it is a prompt, {where}"
    lines = [
        f"#### {title}\n",
        f"**{rule.tier}**, {sections(rule.section)}. {escaped(rule.says)}\n",
        shown(f"Wrong, {where}", wrong),
        shown("Right", right),
    ]
    return "\n".join(lines)


def sections(numbers: str) -> str:
    """Links to sections of the standard."""
    return "ABC 2.1 " + ", ".join(f"[{number}][abc]" for number in numbers.split(", "))


def shown(title: str, example: str) -> str:
    """An example under its title."""
    return f"{title}:\n\n```abc\n{example}\n```\n" if "\n" in example else f"{title}: {code(example)}\n"


def escaped(plain: str) -> str:
    """Text of which no sign means anything in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#~$&{}])", r"\\\1", plain)


def code(example: str) -> str:
    """One line of an example, as code."""
    fence = "``" if "`" in example else "`"
    return f"{fence}{example}{fence}"


# Disputes


def errors_of(notation: Disputed, record: dict) -> dict[str, str]:
    """The first error that each program has in a notation, "" where it takes it."""
    try:
        return {name: record["errors"][notation.example][name] for name in record["programs"]}
    except KeyError as error:
        raise InputError(f"it is not recorded what programs say of {notation.name}: run compare_programs") from error


def verdict(notation: Disputed) -> str:
    """The gravest tier of what we say of it."""
    found = judged(notation.example)
    return next((tier for tier in TIERS if tier in found.tiers), "right")


def table_of_disputes(record: dict) -> Iterator[str]:
    """Rows of who takes what."""
    names = list(record["programs"])
    yield "| notation | | ours | " + " | ".join(names) + " |"
    yield "| --- | --- | --- |" + " --- |" * len(names)
    for notation in DISPUTED:
        lines = "<br>".join(code(line).replace("|", "\\|") for line in special_lines(notation.example))
        takes = ["**no**" if error else "yes" for error in errors_of(notation, record).values()]
        yield f"| {escaped(notation.name)} | {lines} | {verdict(notation)} | " + " | ".join(takes) + " |"


def special_lines(example: str) -> list[str]:
    """Lines of an example without those that any tune has."""
    lines = example.split("\n")
    usual = HEADER.split("\n") if tune_of(example) == example else []
    return [line for line in lines if line not in usual and not (usual and line == lines[-1])]


def dispute(notation: Disputed, errors: dict[str, str]) -> str:
    """A notation, what the standard says, what we hold and why, and what programs report."""
    found = judged(notation.example).located()
    ours = "; ".join(f"{message['message']} ({message['tier']})" for message in found) or "it is right"
    theirs = "; ".join(f"{name}: {error}" for name, error in errors.items() if error)
    lines = [
        f"- **{escaped(notation.name)}**, {sections(notation.section)}: {escaped(notation.standard)}",
        f"We say: {escaped(ours)}. {escaped(notation.why)}",
    ]
    return " ".join(lines) + (f" *{escaped(theirs)}*" if theirs else "")
