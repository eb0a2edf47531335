"""Write docs/data-statement.md: where the corpora come from, how to get them, and what they over-represent.

Example:
  python -m workflow.scripts.write_data_statement --default docs/default-study/corpus.json \\
      --reference docs/reference-study/corpus.json --output docs/data-statement.md
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.manual.data_statement import page

PACKAGE = "`pip install music21` brings it, in the version of `requirements.txt`; `prepare` reads it where pip put it."
COLLECTION = (
    "`git clone` of one commit of [sshlien/abc_collection](https://github.com/sshlien/abc_collection), less its largest"
    " files: [the commands](../data/README.md#the-corpus-of-the-reference-study)."
)


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--default", required=True, help="corpus.json of the default study")
    parser.add_argument("--reference", required=True, help="corpus.json of the reference study")
    parser.add_argument("--output", required=True, help="page to write")
    args = parser.parse_args(argv)
    corpora = {
        "The default corpus: ABC inside music21": (PACKAGE, read_json(args.default)),
        "The corpus of the reference study": (COLLECTION, read_json(args.reference)),
    }
    write_text(args.output, page(corpora))


if __name__ == "__main__":
    cli.run(main)
