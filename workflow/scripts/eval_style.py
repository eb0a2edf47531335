"""How tunes are built and how they sound, beside real ones: the form of each, and how far all are from a corpus.

Of all tunes of a folder, the rates at which they
  syntax           keep the grammar of ABC 2.1, as `eval_syntax` judges it
  rhythm           have every bar as long as its meter, of those with a meter
  ended            were ended by their writer, not cut
  closed           end the last bar of every voice with a bar line
  header_complete  have X: and K:, and those of T:, M: and L: that at least 95% of the reference has
  two_voices       have notes in two voices or more
and of those where there is something to measure, the means of
  in_key           share of the notes that are what the key says
  rest_share       share of the time of all voices that rests take
  polyphony        notes that sound at a time, while one does
  repetition       share of the bars that repeat, note for note, an earlier bar of their voice
  notes            notes of a tune
and two distances after Yang and Lerch (2020), of the histograms of pitch classes and of note lengths: how much the
distances from the reference overlap those within it (1 is best), and KL(within || from) in nats (0 is best).

The reference is of people: the validation split, of which at most 500 tunes, spread evenly, are taken. Real tunes of
the test split, drawn by `draw_real`, say what is to be reached: no figure is better for being higher than theirs.

A prompt is part of what is parsed and never measured: notes, rests and bars count that begin after it. Fields of a
prompt's header do count to a complete one; of samples with a prompt that rate says little.

Each folder is judged by itself; one whose table lists no tunes is left out.

Example:
  python -m workflow.scripts.eval_style --folders output/samples/ --data_dir data/corpora/music21 --output style.json
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.writing import style


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--folders", required=True, nargs="+", help="folders of tunes and the table of them, as sample writes"
    )
    parser.add_argument("--data_dir", required=True, help="corpus that prepare wrote, to compare with")
    parser.add_argument("--output", required=True, help="JSON file to write")
    args = parser.parse_args(argv)

    report = style.report_on(args.folders, args.data_dir)
    write_json(args.output, report)
    style.print_report(report)


if __name__ == "__main__":
    cli.run(main)
