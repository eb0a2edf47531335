"""Make the tables in README.md anew: the losses of the recorded studies, and exponents beside published ones.

Everything else on the page stays as it is. (The numbers under "Speed" are of `python -m benchmarks.write_readme`.)

Example:
  python -m workflow.scripts.write_readme
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.manual.readme import with_tables


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--page", type=Path, default=Path("README.md"), help="page to change")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the recorded studies")
    args = parser.parse_args(argv)
    write_text(args.page, with_tables(args.page.read_text(encoding="utf-8"), args.docs))


if __name__ == "__main__":
    cli.run(main)
