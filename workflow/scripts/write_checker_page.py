"""Write the page on the checker of ABC: its use, every message with its rule in ABC 2.1, and the disputed notations.

The messages, their rules and examples are the checker's own lists (workflow/scripts/grammar/rules_of_text.py and
rules_of_music.py); each example is judged as the page is written. What other programs say of the notations on which
they and the standard disagree is read from --programs, which compare_programs records.

Example:
  python -m workflow.scripts.write_checker_page --programs docs/checker/programs.json --output docs/checker.md
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.manual.checker_page import page


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--programs", default="docs/checker/programs.json", help="what programs were recorded to say")
    parser.add_argument("--output", default="docs/checker.md", help="page to write")
    args = parser.parse_args(argv)
    write_text(args.output, page(read_json(args.programs)))


if __name__ == "__main__":
    cli.run(main)
