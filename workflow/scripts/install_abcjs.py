"""Install abcjs, which engraves the tunes of the gallery, with npm: its script and its licence.

Example:
  python -m workflow.scripts.install_abcjs --output data/abcjs
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.gallery.abcjs import install


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--output", default="data/abcjs", type=Path, help="folder to write")
    install(parser.parse_args(argv).output)


if __name__ == "__main__":
    cli.run(main)
