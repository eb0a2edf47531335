"""Draw every figure of the studies on record again, from their tables in git, and set each beside the one on record.

It needs no corpus, no weights and no GPU, and trains nothing. On record are the folders of docs/ and results/reference/
that hold tables: of a study (runs.csv and fit.json, as `record` leaves them), of the study that this one grew out of
(claims.csv), and of docs/laws.md. For each, a folder of --output gets its figures as PDF and PNG and their captions;
index.html shows them all, and says of each whether it is the one on record, byte for byte. What is on record stays.

Another matplotlib or another processor may draw some pixels otherwise: that is told, and no failure. A figure on record
that is not drawn is one.

Example:
  python -m workflow.scripts.redraw --output results/recorded
"""

import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib import ft2font

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_text
from workflow.scripts.manual.laws_page import QUESTIONS
from workflow.scripts.pages.on_record import NEW, SAME, Redrawn, compare
from workflow.scripts.pages.render import data_uri, render

FOLDERS = ("docs", "results/reference")
OF_STUDY = {"runs.csv", "fit.json"}
# Tables that the pages of docs/ beside the studies rest on, as rules/docs.smk has it.
ORIGINAL, OURS = Path("docs/original-study"), Path("docs/default-study")


class Job(NamedTuple):
    """What is drawn together.

    Attributes:
        tables: folder of its tables.
        folder: where it is drawn.
        recorded: folder with its figures on record.
        commands: our commands that draw it, with their options.
    """

    tables: Path
    folder: Path
    recorded: Path
    commands: list[list[object]]


def job_of(tables: Path, output: Path) -> Job | None:
    """What draws the figures of a folder on record; None if it is of nothing that is drawn."""
    names, folder = {path.name for path in tables.iterdir()}, output / tables.name
    if names >= OF_STUDY:
        commands: list[list[object]] = [
            ["plot_scaling", "--trials", "--tables", tables, "--results_dir", folder],
        ]
        if "corpus.json" in names:
            commands.append(["plot_corpus", "--corpus", tables / "corpus.json", "--output", folder / "corpus.pdf"])
        if "registered.json" in names:
            page = ["--original", ORIGINAL, "--output", folder / "forecast.md"]
            commands.append(["write_reference", "--tables", tables, *page])
        return Job(tables, folder, tables, commands)
    if "claims.csv" in names:
        page = ["--facts", tables, "--study", OURS, "--output", folder / f"{tables.name}.md"]
        return Job(tables, folder, tables.parent, [["write_original", *page]])
    if tables.name == "laws":
        fit = ["--output", folder / "fit.json", "--plot", folder / "forecast.pdf"]
        return Job(tables, folder, tables, [["fit_scaling", OURS / "runs.csv", *shlex.split(QUESTIONS), *fit]])
    return None


def jobs_of(folders: Sequence[str], output: Path) -> list[Job]:
    """What is to be drawn of all that is on record in some folders.

    Raises:
        InputError: there is nothing, or it would be drawn over what is on record.
    """
    inside = [path for folder in map(Path, folders) if folder.is_dir() for path in sorted(folder.iterdir())]
    found = [job for tables in inside if tables.is_dir() and (job := job_of(tables, output))]
    if not found:
        raise InputError(f"no study is on record in {' or '.join(folders)}")
    for job in found:
        if job.folder.resolve() in (job.tables.resolve(), job.recorded.resolve()):
            raise InputError(f"--output {output} would draw over what is on record in {job.folder}")
    return found


def run(job: Job) -> str:
    """Draw a job's figures, in a process of its own.

    Returns:
        What went wrong, in one sentence; empty if nothing did.
    """
    for old in job.folder.glob("*.png"):
        old.unlink()
    words = [*job.commands[0], *(word for command in job.commands[1:] for word in ("--then", *command))]
    line = [sys.executable, "-m", "workflow.scripts.in_turn", *map(str, words)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as Snakemake had it when they were recorded
    done = subprocess.run(line, env=one_thread, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return f"{job.tables} could not be drawn: {last.removeprefix('error: ')}"
    missing = {path.name for path in figures_on_record(job)} - {path.name for path in job.folder.glob("*.png")}
    return f"nothing drew {', '.join(str(job.recorded / name) for name in sorted(missing))}" if missing else ""


def figures_on_record(job: Job) -> list[Path]:
    return sorted(job.recorded.glob("*.png"))


def said(redrawn: Sequence[Redrawn]) -> str:
    """How many figures came out how: "12 the same, byte for byte; 3 not on record"."""
    counts = Counter(one.picture if one.picture in (SAME, NEW) else "otherwise" for one in redrawn)
    words = [f"{counts[kind]} {kind}" for kind in (SAME, "otherwise", NEW) if counts[kind]]
    if other := sum(one.other_words for one in redrawn):
        words.append(f"{other} with another caption")
    return "; ".join(words)


def drawn_by() -> str:
    """What draws here: on it depends which pixels come out."""
    python = sys.version.split()[0]
    return f"Python {python}, matplotlib {matplotlib.__version__}, FreeType {ft2font.__freetype_version__}"


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", nargs="+", default=FOLDERS, help="folders with a folder for each thing on record")
    parser.add_argument("--output", type=Path, default="results/recorded", help="folder to draw into")
    parser.add_argument("--jobs", type=cli.positive_int, default=os.cpu_count(), help="how many are drawn at once")
    args = parser.parse_args(argv)
    jobs = jobs_of(args.folders, args.output)
    found: list[tuple[Job, list[Redrawn]]] = []
    failures = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for job, failure in zip(jobs, pool.map(run, jobs), strict=True):
            redrawn = [compare(path, job.recorded) for path in sorted(job.folder.glob("*.png"))]
            found.append((job, redrawn))
            print(f"{job.tables}: {failure or said(redrawn)}", flush=True)
            failures += [failure] if failure else []
    index = args.output / "index.html"
    everything = [one for _, redrawn in found for one in redrawn]
    values = {"found": found, "failures": failures, "said": said(everything), "drawn_by": drawn_by()}
    write_text(index, render("redrawn/index.html.j2", **values, image=data_uri, same=SAME, new=NEW))
    print(f"{len(everything)} figures in {index}: {said(everything)} ({drawn_by()})")
    if failures:
        raise InputError("; ".join(failures))


if __name__ == "__main__":
    cli.run(main)
