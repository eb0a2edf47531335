"""Is it legal ABC, and is it music: a verdict on each tune of a folder or file, and the rates at which tunes pass.

A tune climbs a ladder of steps; each has a rate of its own, and what failed is said with file, line and column:
  syntax   every character follows the grammar of ABC 2.1, every slur, tie, repeat and ending has its other half
  tools    abc2midi reports no error, but for some that are none (`IGNORED` in workflow/scripts/writing/programs.py)
  compiles abc2midi writes a MIDI file that another library reads, with a note in it, of at most ten minutes
  music21  music21 parses it, finds a note and makes MIDI of it
  rhythm   every bar lasts what the meter says and the voices keep step; of the tunes that have a meter
Steps syntax and rhythm need no other program: `--steps syntax rhythm`.

A tune of rests or chord symbols alone is legal ABC (`syntax_valid` of its verdict); it is named silent, counted beside
the steps, and passes none of them, as it is no music. What each message means is in docs/checker.md.

Beside the last are two rates of bars, those of all tunes together, with intervals from resampling tunes:
  bars_right       bars that last what the meter says; the first and last of a section may be short, none long
  bars_misaligned  bars of several voices that do not last alike in all of them
A voice that stops with a plain bar line has ended early: of it neither the last bar nor what follows is compared, and
what is compared with no other voice is not counted. At the end of a line a bar that is full is over, without a bar line
too.

A tune is valid, as this study's first version had it, if music21 and abc2midi both take it. abc2midi exits with 0
whatever happens, so its messages are read and the MIDI file is opened. Every program runs under limits on time and
memory, and breaking one counts as invalid; so does a text that is too large, or has too long lines or numbers or too
many voices, to be given to one. Lines of %% and I: that could make a program read a file are taken out first. music21
is slow: it judges no tune of more than 20,000 characters, and of the others as many, evenly spread, as have 200,000
in all; with `--music21_limit 0` it judges every tune.

A file is one tune, unless --split is given: then each X: begins a tune, which has the verdict book.abc:12 if its X: is
in line 12, and the fields before the first X: of a file are defaults of all its tunes (ABC 2.1, 2.2.2). A file may be
in UTF-8, UTF-16, UTF-32 or an older charset, with any line ends.

Without --split, a table of samples (a CSV that `sample` writes) may say how much of a tune is a prompt. That is part of
what is read and never of what is credited: its bars do not count, and a tune without a note after it passes no step
that asks for one. The table also says which tunes were cut at a limit of length. These are judged, by all steps, up to
the last bar line of the voice that they were cut in, without signs that wait for their other half there; their share is
the rate `cut`. One that was cut before a bar of it was whole passes no step.

Examples:
  python -m workflow.scripts.eval_syntax --folder tunebook.abc --split --steps syntax rhythm --json verdicts.json
  python -m workflow.scripts.eval_syntax --folder output/samples/
  python -m workflow.scripts.eval_syntax --folder tunes --steps syntax rhythm --fail_under 0.9
"""

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.writing import validity
from workflow.scripts.writing.ladder import SECONDS, STEPS


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, help="folder with .abc files at any depth, or one file")
    parser.add_argument("--split", action="store_true", help="judge each tune of a file that holds several")
    parser.add_argument("--json", help="file to write every verdict to, with its messages")
    parser.add_argument(
        "--midi_dir",
        help="folder for the MIDI files of tunes that compile without an error; with --split, book-12.mid is of the"
        " tune of book.abc whose X: is in line 12",
    )
    parser.add_argument(
        "--timeout", type=cli.positive_float, default=SECONDS, help="seconds a program may take for a tune"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="steps of the ladder to take")
    parser.add_argument(
        "--music21_limit",
        type=cli.non_negative_int,
        help=f"tunes that music21 judges, 0 for all; without it as many as have {validity.MUSIC21_CHARS:,} characters",
    )
    parser.add_argument(
        "--fail_under", "--fail-under", type=cli.fraction, metavar="RATE", help="exit with 1 if a step's rate is lower"
    )
    args = parser.parse_args(argv)

    report = validity.report_on(args.folder, args.midi_dir, args.timeout, args.steps, args.music21_limit, args.split)
    if args.json:
        write_json(args.json, report)
    validity.print_report(report)
    table = report["rates"]
    low = [name for name in args.steps if name in table and table[name]["rate"] < (args.fail_under or 0)]
    if low:
        raise InputError(f"less than {args.fail_under:.1%} of the tunes pass {', '.join(low)}")


if __name__ == "__main__":
    cli.run(main)
