"""Write the gallery: one page on which what each model wrote is seen, heard and checked, beside real tunes and n-grams.

The page opens from disk, and needs no network and nothing beside it. Of each writer it shows the first tunes of its
drawing, none selected. Without --writers it shows the books of tunes in the samples/ of --tables, where a study is
recorded.

Example:
  python -m workflow.scripts.install_abcjs
  python -m workflow.scripts.write_gallery --writers results/models/*/1048576-seed0 results/baselines/*
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.gallery.page import gallery
from workflow.scripts.gallery.writers import of_books, of_folders, read_tables
from workflow.scripts.tables.fit_file import read_fit

TUNES, PROMPTED = 12, 4  # of each writer, and after each prompt: the page stays below 2 MB in any study


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--tables", type=Path, default=Path("results"), help="folder of runs.csv, writing.csv, fit.json"
    )
    parser.add_argument("--writers", type=Path, nargs="+", help="folders of what was written and judged")
    parser.add_argument("--study", default="default", help="name of the study")
    parser.add_argument("--abcjs", default="data/abcjs/abcjs-basic-min.js", help="script of abcjs (install_abcjs)")
    parser.add_argument("--tunes", type=cli.positive_int, default=TUNES, help="of each writer")
    parser.add_argument(
        "--prompted", type=cli.positive_int, default=PROMPTED, help="tunes of each model after each prompt"
    )
    parser.add_argument("--output", default="results/gallery/index.html", help="page to write")
    args = parser.parse_args(argv)
    tables = read_tables(args.tables)
    if args.writers:
        writers = of_folders(args.writers, tables, args.tunes, args.prompted)
    else:
        writers = of_books(args.tables / "samples", tables)
    findings = read_fit(args.tables / "fit.json")["comparison"]["said"]
    page = gallery(writers, findings, args.study, Path(args.abcjs).read_text(encoding="utf-8"))
    write_text(args.output, page)
    print(f"wrote {sum(len(writer.tunes) for writer in writers)} tunes of {len(writers)} writers to {args.output}")


if __name__ == "__main__":
    cli.run(main)
