"""Gather the trials of settings that differ from a base: what each costs or gains at its own best rate.

Each model name is one setting. --base names those that others are compared with, one of each group: LSTMs are one,
Transformers (gpt and modern) another. A difference is that of losses over the whole validation split, a setting's less
its base's, each at the best of its rates, paired tune by tune. Its interval is one of tunes: how far seeds differ
is not in it.

  ablations.csv         a row a trial; ``best`` is 1 at the rate that did best for its setting
  ablations.json        each setting's best rate and loss, its difference to the base, and its FLOP relative to that
  ablations.pdf, .png   the differences, a panel a group; in captions/ what they show in words

Example:
  python -m workflow.scripts.collect_ablations --folders results/ablations/*/* --base gpt_200k lstm_200k
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.evaluation.ablations import ablate
from workflow.scripts.evaluation.planned import with_plan
from workflow.scripts.figures.ablations import draw
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import save


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the trials")
    parser.add_argument("--base", required=True, nargs="+", metavar="MODEL", help="one of each group, to compare with")
    parser.add_argument("--table", default="results/ablations.csv", help="table to write; the rest goes beside it")
    parser.add_argument("--plan", type=Path, help="plan.json of this machine, for a column of what it said")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of the figure")
    args = parser.parse_args(argv)
    trials, summary = ablate(args.folders, args.base)
    table = Path(args.table)
    write_text(table, with_plan(trials, args.plan).to_csv(index=False, lineterminator="\n"))
    write_json(table.with_suffix(".json"), summary)
    save(draw(summary, args.width), table.with_suffix(""))
    for entry in summary["settings"]:
        edge = "" if entry["bracketed"] else " (at the end of the range)"
        print(
            f"{entry['group']:<5} {entry['setting']}: {entry['difference']:+.4f} nats at {entry['best_trial']:g}{edge},"
            f" loss {entry['best_loss']:.4f}, FLOP ×{entry['flops_relative']:.2f}"
        )


if __name__ == "__main__":
    cli.run(main)
