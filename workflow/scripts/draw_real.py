"""Draw real tunes of a corpus, to stand beside generated ones in the same layout, cut at the same length.

They are drawn at random without replacement, all if there are fewer than asked for, and written as
`workflow.scripts.sample` writes a model's. A tune longer than --max_new_tokens is cut there, as a model's would be,
and then has no end. Tune k of a seed is the same however many are drawn.

Example:
  python -m workflow.scripts.draw_real --data_dir data/corpora/music21 --num_samples 24 --max_new_tokens 512
"""

import numpy as np

from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.tokenizer import END
from workflow.scripts.writing.samples import Drawn, write_samples


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="corpus that prepare wrote")
    parser.add_argument("--split", default="test", choices=SPLITS, help="which tunes to draw from")
    parser.add_argument("--output_dir", default="output/real", help="folder to write")
    parser.add_argument("--num_samples", type=cli.positive_int, default=5, help="tunes to draw")
    parser.add_argument("--max_new_tokens", type=cli.positive_int, default=1024, help="longest tune, in its tokens")
    parser.add_argument("--seed", type=cli.non_negative_int, default=0, help="of the draw")
    args = parser.parse_args(argv)

    corpus = Corpus.load(args.data_dir)
    split = corpus.split(args.split)
    tunes = []
    for i in np.random.default_rng(args.seed).permutation(split.n_tunes)[: args.num_samples]:
        ids = split.tune(i)[1:][: args.max_new_tokens]  # the begin token is given to a model, not written by it
        tunes.append(Drawn("", corpus.tokenizer.decode(ids), bool(ids[-1] == END)))
    stem = f"real-seed{args.seed}"
    ended = write_samples(args.output_dir, stem, tunes)
    print(f"wrote {len(tunes)} tunes to {args.output_dir}/{stem}-*.abc; {ended} of them are whole")


if __name__ == "__main__":
    cli.run(main)
