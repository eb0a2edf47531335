"""Engrave one tune of a book of ABC as a picture (SVG), for a page that runs no script. Needs abcm2ps.

Directives are taken out, as for the programs that judge. (verovio, which pip installs, crashes on many a tune that
small models write.)

Example:
  python -m workflow.scripts.engrave --book docs/reference-study/samples/modern_6m.abc --tune 3 --output tune.svg
"""

import re
import shutil
import tempfile
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_text
from workflow.scripts.gallery.writers import tunes_in_book
from workflow.scripts.machine.sandbox import run_limited
from workflow.scripts.writing.programs import sanitise

SECONDS = 20
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)  # the day, the command and our folder
OPENING = re.compile(r"<svg\b[^>]*>")


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--book", required=True, type=Path, help="file of ABC with one tune or more")
    parser.add_argument("--tune", type=cli.positive_int, default=1, help="which tune of the book, from 1")
    parser.add_argument("--output", required=True, help="SVG to write")
    args = parser.parse_args(argv)
    tunes = tunes_in_book(args.book)
    if args.tune > len(tunes):
        raise InputError(f"{args.book} holds {len(tunes)} tunes, not {args.tune}")
    write_text(args.output, picture(tunes[args.tune - 1]))


def picture(abc: str) -> str:
    """The score of a tune as SVG on white, the same for the same tune.

    Raises:
        InputError: abcm2ps is not installed, or makes nothing of the tune.
    """
    program = shutil.which("abcm2ps")
    if not program:
        raise InputError("abcm2ps is not installed (Debian and Homebrew have it)")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tune.abc").write_text(sanitise(abc)[0], encoding="utf-8")
        outcome = run_limited([program, "-S", "-q", "-g", "-c", "-O", "tune.svg", "tune.abc"], Path(folder), SECONDS)
        made = sorted(Path(folder).glob("*.svg"))
        if outcome.problem or not made:
            raise InputError(f"abcm2ps cannot engrave the tune: {outcome.problem or outcome.output.strip()[:200]}")
        svg = COMMENT.sub("", made[0].read_text(encoding="utf-8"))
    return OPENING.sub(lambda tag: f'{tag[0]}\n<rect width="100%" height="100%" fill="white"/>', svg, count=1)


if __name__ == "__main__":
    cli.run(main)
