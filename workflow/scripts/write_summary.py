"""Write a study's results as a page of Markdown tables, every number of it read from a result file.

With --tables_dir its tables stand there, too, each as .csv, .tex and .md: runs, laws, losses, validity, style.

Example:
  python -m workflow.scripts.write_summary --runs results/runs.csv --fit results/fit.json \\
      --writing results/writing.csv --corpus data/corpora/music21/corpus.json --output results/summary.md
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.base.tables import read_csv
from workflow.scripts.corpus import tokenizer
from workflow.scripts.figures.summary import Study, summary, tables
from workflow.scripts.findings.ngram_losses import NGRAMS
from workflow.scripts.findings.tune_start import STRATA
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.writing.prompts import read_prompt_set, unreadable


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs")
    parser.add_argument("--fit", default="results/fit.json", help="fitted laws")
    parser.add_argument("--writing", default="results/writing.csv", help="table of what was written")
    parser.add_argument("--corpus", required=True, help="corpus.json of the corpus that the runs learnt from")
    parser.add_argument("--prompts", default="{}", help="JSON of the prompts that models were to go on from, by name")
    parser.add_argument("--strata", help="table of losses by place in the tune, for those without the first characters")
    parser.add_argument("--ngrams", help="table of the losses of n-grams")
    parser.add_argument("--tables_dir", help="folder to write the tables into")
    parser.add_argument("--output", default="results/summary.md", help="page to write")
    args = parser.parse_args(argv)
    study = Study(
        read_csv(args.runs), read_fit(Path(args.fit)), read_csv(args.writing), read_json(args.corpus),
        read_csv(args.strata, *STRATA) if args.strata else None,
        read_csv(args.ngrams, *NGRAMS) if args.ngrams else None,
    )  # fmt: skip
    prompts = read_prompt_set(args.prompts)
    left_out = unreadable(tokenizer.load(Path(args.corpus).parent / "tokenizer.json"), prompts) if prompts else {}
    for name, cells in tables(study).items() if args.tables_dir else ():
        cells.write(Path(args.tables_dir, name))
    write_text(args.output, summary(study, left_out))


if __name__ == "__main__":
    cli.run(main)
