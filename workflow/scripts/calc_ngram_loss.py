"""Measure the loss of character n-grams on the test split: a baseline for every loss of a model.

They are counted on the training split, in characters whatever the corpus's tokens are, and smoothed (modified
Kneser-Ney), as a count of zero would be an infinite loss. Each character of a test tune counts once, its end as one.
Of a training split of more than --max_chars characters, whole tunes spread evenly over it are counted.

Example:
  python -m workflow.scripts.calc_ngram_loss --data_dir data/corpora/music21 --orders 4 8 12 --output baselines.csv
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.ngram_loss import measure
from workflow.scripts.writing.ngram import training_text


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data_dir", required=True, help="corpus that prepare wrote")
    parser.add_argument("--orders", type=cli.positive_int, nargs="+", required=True, help="a row is written for each")
    parser.add_argument("--max_chars", type=cli.positive_int, default=10_000_000, help="most text to count, about")
    parser.add_argument("--output", default="results/baselines.csv", help="table to write")
    args = parser.parse_args(argv)
    corpus = Corpus.load(args.data_dir)
    test = corpus.split("test")
    held_out = [corpus.tokenizer.decode(test.tune(i)) for i in range(test.n_tunes)]
    table = measure(training_text(corpus, args.max_chars), held_out, set(args.orders))
    write_text(args.output, table.to_csv(index=False, lineterminator="\n"))
    for row in table.itertuples():
        print(f"{row.order}-gram: {row.loss:.4f} nats a character, perplexity {row.perplexity:.3f}")


if __name__ == "__main__":
    cli.run(main)
