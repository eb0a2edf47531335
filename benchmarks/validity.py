"""How fast tunes are judged, against music21's reading and writing them, and which faults are found.

Each row times one core on the same tunes: the checker alone, and the ladder without music21 (syntax, tools, compiles,
rhythm). The baseline is music21: it parses the text and writes a MIDI file. The tunes are a corpus's test tunes, as
`draw_real` draws them, and, where a folder of cases is given, its good cases (../shared/abc-cases, not published).

With cases there is a table of faults, by what was done to a tune: how many tunes have a message of the expected tier
from the checker, and in how many abc2midi reports an error (`tools`). Of good tunes, both should be none.

Example:
  python -m benchmarks.validity data/corpora/music21 ../shared/abc-cases
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.against import alternate, timed, write_result
from workflow.scripts import draw_real
from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json
from workflow.scripts.writing.ladder import evaluate
from workflow.scripts.writing.samples import read_tune, tune_files

CPU = torch.device("cpu")
CHECKER = {"syntax", "rhythm"}
LADDER = CHECKER | {"tools", "compiles"}
FAULTS = ("hard", "balance", "rhythm")  # tiers of which a good tune has no message


def one_thread() -> None:
    torch.set_num_threads(1)


def judging(paths: list[Path], steps: set[str]) -> Callable[[], object]:
    """What judges the tunes by these steps of the ladder."""
    return lambda: list(evaluate(paths, 10, steps))


def music21_writing(paths: list[Path]) -> Callable[[], object]:
    """What has music21 read the tunes and write them as MIDI."""
    from music21 import converter

    def write() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for path in paths:
                with contextlib.suppress(Exception):  # it raises whatever its parser stumbles over
                    converter.parseData(read_tune(path).text, format="abc").write("midi", fp=f"{folder}/tune.mid")

    return write


def compare_speeds(name: str, paths: list[Path], rounds: int) -> list[dict]:
    """A row for the checker and one for the ladder, each timed against music21 on the same tunes."""
    rows = []
    with timed(one_thread, CPU, music21_writing, paths) as theirs:
        for what, steps in (("checker", CHECKER), ("ladder without music21", LADDER)):
            with timed(one_thread, CPU, judging, paths, steps) as ours:
                row = alternate(ours, theirs, (len(paths), len(paths)), rounds)
            row = {"name": f"{what}, {len(paths)} {name}", "against": "music21 to MIDI", "unit": "tunes/s"} | row
            print(
                f"{row['name']}: {row['ours'][1]:,.0f} tunes/s, music21 {row['baseline'][1]:.1f},"
                f" {row['ratio'][1]:.0f} times",
                flush=True,
            )
            rows.append(row)
    return rows


def detection(folder: Path) -> list[dict]:
    """A row for each class of good and bad cases that have a known verdict: in how many a fault is found."""
    classes: dict[tuple[str, str, str], list[Path]] = {}
    for case in read_json(folder / "manifest.json")["files"]:
        tier = case["expect"].get("tier")
        if tier if case["kind"] == "bad" else case["kind"] == "good" and case["certain"]:
            classes.setdefault((case["kind"], case["cls"], tier or "none"), []).append(folder / case["path"])
    table = []
    for (group, name, tier), paths in sorted(classes.items()):
        verdicts = list(evaluate(paths, 10, LADDER))
        sought = FAULTS if tier == "none" else (tier,)
        row = {
            "kind": group,
            "cls": name,
            "n": len(paths),
            "expected": tier,
            "found": sum(not set(sought).isdisjoint(verdict["tiers"]) for verdict in verdicts),
            "abc2midi": sum(not verdict["tools_agree"] for verdict in verdicts),
        }
        print("{kind:<5}{cls:<20}{n:>4}  {expected:<8}{found:>4}{abc2midi:>5}".format(**row), flush=True)
        table.append(row)
    return table


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("data_dir", help="corpus that prepare wrote")
    parser.add_argument("cases", nargs="?", type=Path, help="folder of cases with manifest.json")
    parser.add_argument("--tunes", type=cli.positive_int, default=60, help="most tunes of each kind")
    parser.add_argument("--rounds", type=cli.positive_int, default=5)
    args = parser.parse_args()
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "data_dir": args.data_dir,
            "output_dir": folder,
            "num_samples": args.tunes,
            "max_new_tokens": 100_000,
        }
        draw_real.main([f"--{option}={value}" for option, value in options.items()])
        speeds = compare_speeds("test tunes", tune_files(folder), args.rounds)
    faults = []
    if args.cases:
        cases = read_json(args.cases / "manifest.json")["files"]
        good = [args.cases / case["path"] for case in cases if case["kind"] == "good" and case["certain"]]
        speeds += compare_speeds("good cases", good[:: -(-len(good) // args.tunes)], args.rounds)
        faults = detection(args.cases)
    write_result("validity", CPU, speeds, faults=faults)


if __name__ == "__main__":
    cli.run(main)
