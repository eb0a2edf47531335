"""Draw what a corpus is made of, and how clean its split is, as one figure from its corpus.json alone.

Writes --output, the same as PNG beside it, and its caption as .md and .tex in captions/ there. The same input gives
the same bytes.

Example:
  python -m workflow.scripts.plot_corpus --corpus data/corpora/music21/corpus.json \\
      --output data/corpora/music21/corpus.pdf
"""

from pathlib import Path

import matplotlib

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus_figure.draw import check, draw, look
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import save


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--corpus", required=True, help="corpus.json that prepare wrote")
    parser.add_argument("--output", required=True, help="PDF to write; a PNG of the same name goes beside it")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of the figure")
    args = parser.parse_args(argv)
    output = Path(args.output)
    if output.suffix != ".pdf":
        raise InputError(f"--output {output} does not end in .pdf")
    corpus = read_json(args.corpus)
    check(corpus, args.corpus)
    with matplotlib.rc_context(look(args.width)):  # while it is saved too: some ticks are made only then
        save(draw(corpus, args.width), output.with_suffix(""))


if __name__ == "__main__":
    cli.run(main)
