"""How much of a folder's tunes is copied from the training tunes of a corpus, by an index that `copy_index` built.

Of each tune, three measures:
  lcs                     the longest stretch of its music that stands in the training text, character by character
  similarity              of the nearest training tune, notes as written: 1 - Levenshtein distance / longer length
  transposed_similarity   the same with steps from note to note in place of the notes, so in any key

A tune is counted as copied if either similarity is at least 0.85; no training tune that similar is missed, and where
all are less similar, the nearest is the best of those that share most 3-grams with it. Originality is 1 - the larger
similarity (Yin et al. 2022). A figure means little by itself: held-out tunes of people are the baseline.

Only the music is compared, not the header: titles, rhythms and meters recur in tunes that share nothing else. An
excerpt of a tune is not similar to the whole of it: the longest stretch tells of that.

Example:
  python -m workflow.scripts.copying --folder output/samples/ --index data/corpora/music21/copy_index \
      --output copying.json
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.writing import copying


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, help="folder with .abc files, one tune each")
    parser.add_argument("--index", required=True, help="folder that copy_index wrote")
    parser.add_argument("--output", required=True, help="JSON file to write")
    args = parser.parse_args(argv)
    report = copying.report_on(args.folder, args.index)
    write_json(args.output, report)
    copying.print_report(report)


if __name__ == "__main__":
    cli.run(main)
