"""Draw what a corpus is made of, and how clean its split is, as one figure from its corpus.json alone.

Writes --output and the same as PNG beside it. The same input gives the same bytes.

Example:
  python -m workflow.scripts.plot_corpus --corpus data/corpora/music21/corpus.json \\
      --output data/corpora/music21/corpus.pdf
"""

from pathlib import Path

import matplotlib

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus_figure.draw import LOOK, check, draw
from workflow.scripts.figures.save import save


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--corpus", required=True, help="corpus.json that prepare wrote")
    parser.add_argument("--output", required=True, help="PDF to write; a PNG of the same name goes beside it")
    args = parser.parse_args(argv)
    output = Path(args.output)
    if output.suffix != ".pdf":
        raise InputError(f"--output {output} does not end in .pdf")
    corpus = read_json(args.corpus)
    check(corpus, args.corpus)
    with matplotlib.rc_context(LOOK):  # while it is saved too: some ticks are made only then
        save(draw(corpus), output.with_suffix(""))


if __name__ == "__main__":
    cli.run(main)
