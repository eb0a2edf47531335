"""Write a study's model card: what its models are, for what, learnt from what, how good, and not good for what.

Example:
  python -m workflow.scripts.write_model_card --runs results/runs.csv --writing results/writing.csv \\
      --corpus data/corpora/music21/corpus.json --configs results/models/*/1048576-seed0/config.json \\
      --output results/model_card.md
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.base.tables import read_csv
from workflow.scripts.manual.model_card import card


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--runs", required=True, help="table of runs")
    parser.add_argument("--writing", required=True, help="table of what was written")
    parser.add_argument("--corpus", required=True, help="corpus.json of the corpus that the runs learnt from")
    parser.add_argument("--configs", nargs="*", default=[], help="config.json of runs, if they are here")
    parser.add_argument("--results", default="results", help="folder of the study's results")
    parser.add_argument("--output", required=True, help="page to write")
    args = parser.parse_args(argv)
    configs = [read_json(path) for path in args.configs]
    page = card(read_csv(args.runs), read_csv(args.writing), read_json(args.corpus), configs, f"{args.results}/models")
    write_text(args.output, page)


if __name__ == "__main__":
    cli.run(main)
