"""How much lower a test loss is where relatives of the test tunes train: gather the runs with them and without.

  split_gap.csv         a row a model and seed: its loss with relatives in training, without, and the difference
  split_gap.json        the same by model, of all test tunes, of those with relatives in training, and of the others
  split_gap.pdf, .png   the differences against parameters; in captions/ what they show in words

Example:
  python -m workflow.scripts.collect_split_gap --corpus data/corpora/music21-random --folders results/split_gap/*/*/*
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.corpus.options import APART
from workflow.scripts.evaluation.split_gap import ALL, RELATED, split_gap
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import save
from workflow.scripts.figures.split_gap import draw


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--folders", required=True, nargs="+", help="of the runs, those without in a folder .../*_apart/"
    )
    parser.add_argument("--corpus", required=True, type=Path, help="folder of the corpus with relatives in training")
    parser.add_argument("--table", default="results/split_gap.csv", help="table to write; the rest goes beside it")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of the figure")
    args = parser.parse_args(argv)
    absent = [folder for folder in args.folders if Path(folder).parts[-3].endswith(APART)]
    rows, summary = split_gap([folder for folder in args.folders if folder not in absent], absent, args.corpus)
    summary = {"corpus": args.corpus.name} | summary
    table = Path(args.table)
    write_text(table, rows.to_csv(index=False, lineterminator="\n"))
    write_json(table.with_suffix(".json"), summary)
    save(draw(summary, args.width), table.with_suffix(""))
    for model in summary["models"]:
        said = [
            f"{model[kind]['difference']:+.4f} nats of {words}"
            for kind, words in ((ALL, "all test tunes"), (RELATED, "those with relatives"))
            if model[kind]
        ]
        print(f"{model['model']}: without relatives in training {', '.join(said)}")


if __name__ == "__main__":
    cli.run(main)
