"""Gather the trials of learning rates: where each model's best rate is, and how far it moves.

It may move with width, with depth, and with the horizon: the number of tokens that one model is trained on.

  lr_transfer.csv    a row a trial: model, shape, tokens, learning_rate, val_loss over the whole validation split,
                     infinite if it diverged; ``best`` is 1 where no other rate of that model and horizon did better
  lr_transfer.json   each model's optimum at each horizon; by architecture how far it moves, and what the rate in use
                     gives away
  lr_transfer.pdf, .png, and in captions/ what they show in words

Example:
  python -m workflow.scripts.collect_transfer --folders results/lr_transfer/*/* --rates gpt=0.004 lstm=0.016
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.base.rates import Rate
from workflow.scripts.evaluation.learning_rates import DIRECTIONS, read_trials, summarise
from workflow.scripts.evaluation.planned import with_plan
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import save
from workflow.scripts.figures.transfer import draw


def rate_of(text: str) -> tuple[str, Rate]:
    """An architecture and its rate, of ARCH=RATE or ARCH=RATE:EXPONENT:TOKENS."""
    arch, _, rate = text.partition("=")
    return arch, Rate.of(rate)


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the trials")
    parser.add_argument("--rates", required=True, nargs="+", type=rate_of, metavar="ARCH=RATE",
                        help="rates in use; RATE:EXPONENT:TOKENS is one at TOKENS that falls with them")  # fmt: skip
    parser.add_argument("--table", default="results/lr_transfer.csv", help="table to write; the rest goes beside it")
    parser.add_argument("--plan", type=Path, help="plan.json of this machine, for a column of what it said")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of the figure")
    args = parser.parse_args(argv)
    trials, rates_in_use = read_trials(args.folders), dict(args.rates)
    if unknown := set(trials["arch"]) - set(rates_in_use):
        raise InputError(f"--rates names no rate for {', '.join(sorted(unknown))}")
    summary = summarise(trials, rates_in_use)
    if not any(DIRECTIONS.keys() & moves.keys() for moves in summary["archs"].values()):
        raise InputError(
            "no two of the trials' models differ in width, in depth or in tokens alone: nothing to compare"
        )
    table = Path(args.table)
    write_text(table, with_plan(trials, args.plan).to_csv(index=False, lineterminator="\n"))
    write_json(table.with_suffix(".json"), summary)
    save(draw(trials, summary, args.width), table.with_suffix(""))
    for model in summary["models"]:
        edge = "" if model["bracketed"] else " (at the end of the range)"
        tried = f"{model['model']:<14} {short(model['tokens']):>6} tokens"
        print(f"{tried}: optimum {model['optimum']:.3g}{edge}, best loss {model['best_loss']:.4f}")


if __name__ == "__main__":
    cli.run(main)
