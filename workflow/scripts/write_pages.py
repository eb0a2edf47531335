"""Write the pages of prose whose numbers are read from files: README.md, docs/*.md and others.

Each is made of the template in workflow/templates/pages that has its path. A template takes a number from a key of a
JSON file, a cell of a table, config.yaml, a study or a constant of the code; one that is not there ends in an error.

Example:
  python -m workflow.scripts.write_pages
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.manual.readme import losses, related
from workflow.scripts.pages.render import TEMPLATES, render_text
from workflow.scripts.pages.sources import sources

FOLDER = "pages"  # of the templates
HEAD = "Written by `python -m workflow.scripts.write_pages`"


def pages(root: Path) -> dict[str, str]:
    """The text of each page by its path; ``root`` is the folder that the paths and all sources are below.

    Raises:
        InputError: a source is not there; the template that names it is named.
    """
    tables = {"losses": lambda: losses(root / "docs"), "related": lambda: related(root / "docs")}
    made = {}
    for template in sorted((TEMPLATES / FOLDER).rglob("*.j2")):
        name = template.relative_to(TEMPLATES).as_posix()
        page = template.relative_to(TEMPLATES / FOLDER).with_suffix("").as_posix()
        made[page] = f"<!-- {HEAD} from workflow/templates/{name}; do not edit. -->\n\n" + render_text(
            name, **sources(root), **tables
        )
    return made


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the repository")
    args = parser.parse_args(argv)
    for page, text in pages(args.root).items():
        write_text(args.root / page, text)


if __name__ == "__main__":
    cli.run(main)
