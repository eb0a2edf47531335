"""Write the page that leads from a table of runs to a forecast.

What the page shows is read from --fit, which fit_scaling wrote with the options that the page names.

Example:
  python -m workflow.scripts.write_laws_page --fit docs/laws/fit.json --output docs/laws.md
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.manual.laws_page import page
from workflow.scripts.tables.fit_file import read_fit


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--fit", default="docs/laws/fit.json", help="what was fitted")
    parser.add_argument("--caption", default="docs/laws/captions/forecast.md", help="words that stand under the figure")
    parser.add_argument("--output", default="docs/laws.md", help="page to write")
    args = parser.parse_args(argv)
    write_text(args.output, page(read_fit(Path(args.fit)), Path(args.caption).read_text(encoding="utf-8").strip()))


if __name__ == "__main__":
    cli.run(main)
