"""How many of a folder's tunes are music, judged by a ladder of steps.

  syntax   every character follows the grammar of ABC 2.1, every slur, tie, repeat and ending has its other half
  tools    abc2midi reports no error, but for some that are none (`tools.IGNORED`)
  compiles abc2midi writes a MIDI file that another library reads, with a note in it, of at most ten minutes
  music21  music21 parses it, finds a note and makes MIDI of it
  rhythm   every bar lasts what the meter says and the voices keep step; of the tunes that have a meter

Beside the last stand two rates of bars, those of all tunes together, with intervals from resampling tunes:
  bars_right       bars that last what the meter says; the first and last of a section may be short, none long
  bars_misaligned  bars of several voices that do not last alike in all of them

A tune is valid, as this study's first version had it, if music21 and abc2midi both take it. abc2midi exits with 0
whatever happens, so its messages are read and the MIDI file is opened. Every program runs under limits on time and
memory, and breaking one is a verdict; so is a text that is too large, or has too long lines or numbers or too many
voices, to be given to one. Lines of %% and I: that could make a program read a file are taken out first.

A prompt is part of what is read and never of what is credited: where a table of samples says how long it is, its bars
do not count, and a tune without a note after it passes no step that asks for one.

Examples:
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
    parser.add_argument("--folder", required=True, help="folder with .abc files, one tune each")
    parser.add_argument("--json", help="file to write every verdict to")
    parser.add_argument("--midi_dir", help="folder for the MIDI files of tunes that compile without an error")
    parser.add_argument(
        "--timeout", type=cli.positive_float, default=SECONDS, help="seconds a program may take for a tune"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="steps of the ladder to take")
    parser.add_argument(
        "--music21_limit", type=cli.non_negative_int, default=0, help="files that music21 judges, 0 for all"
    )
    parser.add_argument(
        "--fail_under", "--fail-under", type=cli.fraction, metavar="RATE", help="exit with 1 if a step's rate is lower"
    )
    args = parser.parse_args(argv)

    report = validity.report_on(args.folder, args.midi_dir, args.timeout, args.steps, args.music21_limit)
    if args.json:
        write_json(args.json, report)
    validity.print_report(report)
    table = report["rates"]
    low = [name for name in args.steps if name in table and table[name]["rate"] < (args.fail_under or 0)]
    if low:
        raise InputError(f"less than {args.fail_under:.1%} of the tunes pass {', '.join(low)}")


if __name__ == "__main__":
    cli.run(main)
