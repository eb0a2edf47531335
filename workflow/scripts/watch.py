"""A live table of all runs of a study: stage, tokens, loss, speed, time left, from what jobs leave in its folder.

It reads and never writes, so it may be started and ended at any time, on any machine that sees the folder. Stages are
waiting, training (stopped, if its job gives no more signs), trained, scored (its perplexity is there) and judged (its
tunes are). The loss is that of the test split once that is there, of training before. In a file or a pipe the table is
written once.

Examples:
  python -m workflow.scripts.watch results/
  python -m workflow.scripts.watch results/lakh --once
"""

import shutil
import sys
import time
from pathlib import Path

from workflow.scripts import study, study_config
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.training.stages import lines_of, runs_in

CLEAR = "\x1b[H\x1b[J"  # from the first line on
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=Path("results"), help="folder of a study's results")
    parser.add_argument("--once", action="store_true", help="write the table once and end")
    parser.add_argument("--seconds", type=cli.positive_float, default=2.0, help="between looks")
    args = parser.parse_args(argv)
    if not args.results.is_dir():
        raise InputError(f"{args.results} is no folder")
    planned = planned_in(args.results)
    if args.once or not sys.stdout.isatty():
        print("\n".join(lines_of(runs_in(args.results, planned))))
        return
    print(HIDE, end="")
    try:
        while True:
            table = lines_of(runs_in(args.results, planned), *shutil.get_terminal_size())
            print(CLEAR + "\n".join(table), end="\n", flush=True)
            time.sleep(args.seconds)
    except KeyboardInterrupt:
        return
    finally:
        print(SHOW, end="")


def planned_in(results: Path) -> list[str]:
    """The runs of the study whose results go to a folder; none if no file of ours sends its results there."""
    for path in [None, *sorted((study_config.ROOT / "studies").glob("*.yaml"))]:
        try:
            config = study_config.read_study(path, [])
        except InputError:  # another study's, that is not finished being written
            continue
        if Path(study_config.results_of(config)).resolve() == results.resolve():
            return [f"models/{run}" for run in study.runs(config)]
    return []


if __name__ == "__main__":
    cli.run(main)
