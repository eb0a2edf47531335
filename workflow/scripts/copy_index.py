"""Index the training tunes of a corpus once, so that each folder of tunes can be searched for copies from them.

Writes a folder of .npy files, which `copying` maps into memory, and index.json, which says what was indexed:
  text, suffixes            the music of every tune as written, and its suffix array, for common substrings
  written_*, transposed_*   two views of every tune, and which tunes hold each 3-gram of them, for near copies

A view is text: the notes as written, or with each note's letter replaced by its step from the note before, which
transposing leaves as it is. Both keep note lengths, rests and bars; decorations in words, chord symbols, grace notes
and blanks are left out.

Of a large corpus only --max_chars are indexed: whole tunes, evenly spread. The index takes about 10 bytes of disk a
character, and building it 20 bytes of memory and 0.2 s a million characters.

Example:
  python -m workflow.scripts.copy_index --data_dir data/corpora/music21 --output data/corpora/music21/copy_index
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.training_index import MAX_CHARS, build


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="folder that prepare wrote")
    parser.add_argument("--output", required=True, help="folder for the index")
    parser.add_argument(
        "--max_chars", type=cli.positive_int, default=200_000_000, help="characters to index, of a larger corpus"
    )
    args = parser.parse_args(argv)
    if args.max_chars > MAX_CHARS:
        raise InputError(f"--max_chars {args.max_chars} is more than an index holds, {MAX_CHARS}")
    info = build(Corpus.load(args.data_dir), args.max_chars, Path(args.output))
    print(
        f"{args.output}: {info['searched_tunes']:,} of {info['training_tunes']:,} training tunes,"
        f" {info['searched_chars']:,} of {info['training_chars']:,} characters"
    )


if __name__ == "__main__":
    cli.run(main)
