"""Write a study's results as a page, in Markdown and as HTML with its figures, every number read from a result file.

The page of HTML is one file: it has the tables of the other and, with their captions, the figures named.

With --tables_dir its tables stand there, too, each as .csv, .tex and .md: runs, laws, losses, validity, style.

Example:
  python -m workflow.scripts.write_summary --runs results/runs.csv --fit results/fit.json \\
      --writing results/writing.csv --corpus data/corpora/music21/corpus.json --output results/summary.md \\
      --figures results/scaling_plot.png results/validity.png --html results/summary.html
"""

import csv
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.files import CAPTIONS, read_json, write_text
from workflow.scripts.base.tables import read_csv
from workflow.scripts.corpus import tokenizer
from workflow.scripts.figures.summary import Study, summary, tables
from workflow.scripts.findings.ngram_losses import NGRAMS
from workflow.scripts.findings.tune_start import STRATA
from workflow.scripts.pages.markdown import blocks
from workflow.scripts.pages.render import data_uri, render
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.writing.prompts import read_prompt_set, unreadable

ALTS = SCRIPTS.parent / "report"  # a file for each figure, of its name


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs")
    parser.add_argument("--fit", default="results/fit.json", help="fitted laws")
    parser.add_argument("--writing", default="results/writing.csv", help="table of what was written")
    parser.add_argument("--corpus", required=True, help="corpus.json of the corpus that the runs learnt from")
    parser.add_argument("--prompts", default="{}", help="JSON of the prompts that models were to go on from, by name")
    parser.add_argument("--strata", help="table of losses by place in the tune, for those without the first characters")
    parser.add_argument("--missing", type=Path, help="table of the runs of the study that have no result")
    parser.add_argument("--ngrams", help="table of the losses of n-grams")
    parser.add_argument("--tables_dir", help="folder to write the tables into")
    parser.add_argument("--output", default="results/summary.md", help="page to write")
    parser.add_argument("--figures", nargs="+", default=[], help="PNG files of the page of HTML, the main one first")
    parser.add_argument("--html", help="page of HTML to write, too")
    args = parser.parse_args(argv)
    study = Study(
        read_csv(args.runs), read_fit(Path(args.fit)), read_csv(args.writing), read_json(args.corpus),
        read_csv(args.strata, *STRATA) if args.strata else None,
        read_csv(args.ngrams, *NGRAMS) if args.ngrams else None, missing_in(args.missing),
    )  # fmt: skip
    prompts = read_prompt_set(args.prompts)
    left_out = unreadable(tokenizer.load(Path(args.corpus).parent / "tokenizer.json"), prompts) if prompts else {}
    for name, cells in tables(study).items() if args.tables_dir else ():
        cells.write(Path(args.tables_dir, name))
    page = summary(study, left_out)
    write_text(args.output, page)
    if args.html:
        figures = [shown(Path(path)) for path in args.figures]
        write_text(args.html, render("summary/page.html.j2", parts=blocks(page), figures=figures))


def missing_in(path: Path | None) -> list[str]:
    """The runs that a missing.csv lists, as people name them."""
    if not path:
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            f"{row['model']}, {int(row['tokens']):,} tokens, seed {row['seed']}"
            + (" (to be forecast first)" if row["kind"] == "targets" else "")
            for row in csv.DictReader(lines)
        ]


def shown(path: Path) -> dict[str, str]:
    """A figure as the page shows it: with the sentence that stands for it, and the caption that was drawn with it."""
    alt = (ALTS / f"{path.stem}.rst").read_text(encoding="utf-8")
    caption = path.parent / CAPTIONS / f"{path.stem}.md"
    words = caption.read_text(encoding="utf-8") if caption.exists() else alt
    return {"name": path.stem, "image": data_uri(path), "alt": " ".join(alt.split()), "caption": words.strip()}


if __name__ == "__main__":
    cli.run(main)
