"""Let a character n-gram model write tunes: what a model of no understanding reaches, to judge others by.

It is counted on the training split of a corpus, in characters whatever the corpus's tokens are, and written as
`workflow.scripts.sample` writes a model's tunes. Of a training split of more than --max_chars characters, whole
tunes spread evenly over it are counted. Sample k of a seed is the same however many are drawn.

Example:
  python -m workflow.scripts.sample_ngram --data_dir data/corpora/music21 --order 8 --num_samples 5
"""

import numpy as np

from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.ngram import NGram, chars_of, training_text
from workflow.scripts.writing.samples import Drawn, write_samples


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="corpus that prepare wrote")
    parser.add_argument("--order", type=cli.positive_int, default=8, help="each character hangs on order - 1 before")
    parser.add_argument("--output_dir", default="output/samples", help="folder to write")
    parser.add_argument("--num_samples", type=cli.positive_int, default=5, help="tunes to write")
    parser.add_argument("--max_new_tokens", type=cli.positive_int, default=1024, help="longest tune, in its tokens")
    parser.add_argument("--max_chars", type=cli.positive_int, default=10_000_000, help="most text to count, about")
    parser.add_argument("--seed", type=cli.non_negative_int, default=0, help="of the draws")
    args = parser.parse_args(argv)

    corpus = Corpus.load(args.data_dir)
    model = NGram(training_text(corpus, args.max_chars), args.order)
    longest = chars_of(corpus, args.max_new_tokens)
    tunes = []
    for k in range(args.num_samples):
        written, has_ended = model.draw(np.random.default_rng((args.seed, k)), longest)
        tunes.append(Drawn("", written, has_ended))
    stem = f"ngram{args.order}-seed{args.seed}"
    ended = write_samples(args.output_dir, stem, tunes)
    print(f"wrote {len(tunes)} tunes to {args.output_dir}/{stem}-*.abc; {ended} of them came to their end")


if __name__ == "__main__":
    cli.run(main)
