"""What comes back from a machine that goes away: of each finished run its small files, in one archive.

Of a run that is its config, its losses on the way and of each test tune, what it wrote, and what it was told, where and
by which code (carried.json). Weights stay behind, unless they are small and wanted. An archive holds all that those
before it held, so that the last one is enough.
"""

from collections.abc import Sequence
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.carrying import archive
from workflow.scripts.carrying.archive import Member
from workflow.scripts.carrying.jobs import OF_TRAINING, PROVENANCE, Job
from workflow.scripts.carrying.pack import MB, Pack
from workflow.scripts.models.stored import WEIGHTS

HEAD = "came_back.json"
NAME = "came_back.tar.xz"
LOGS = "logs/carried"  # below the results


def write(path: Path, pack: Pack, work: Path, failed: dict[str, str], weights_mb: int) -> str:
    """Write what is finished, and what is not; returns a sentence about it."""
    results = work / pack.results
    done = {folder: job for job in pack.jobs for folder in job.runs if job.is_done(results, folder, pack.corpus)}
    names = [name for folder, job in done.items() for name in files_of(results, job, folder, weights_mb)]
    names += sorted(str(log.relative_to(results)) for log in (results / LOGS).glob("*.log"))
    about = {key: value for key, value in pack.to_dict().items() if key not in ("jobs", "sample_flags")} | {
        "runs": {folder: read_json(results / folder / PROVENANCE) for folder in done},
        "unfinished": [folder for job in pack.jobs for folder in job.runs if folder not in done],
        "failed": failed,
    }
    size = archive.write(path, HEAD, about, {name: Member(results / name) for name in names}, **archive.QUICK)
    return f"{path}: {size / MB:.2f} MB, {len(done)} runs finished, {len(about['unfinished'])} not"


def files_of(results: Path, job: Job, folder: str, weights_mb: int) -> list[str]:
    """What comes back of a finished run, each below the results."""
    here = results / folder
    names = [*OF_TRAINING, *job.scores(), PROVENANCE]
    if folder == job.writes:
        names += sorted(
            str(path.relative_to(here))
            for part in ("samples", "prompted")
            for path in (here / part).rglob("*")
            if path.suffix in (".abc", ".csv") and not path.name.startswith(".")
        )
    if (here / WEIGHTS).exists() and (here / WEIGHTS).stat().st_size <= weights_mb * MB:
        names.append(WEIGHTS)
    return [f"{folder}/{name}" for name in names]


def take_up(paths: Sequence[Path], pack: Pack, work: Path) -> int:
    """Put what came back earlier where it was, so that it is not done again; returns how many runs.

    Raises:
        InputError: an archive is damaged, or of another corpus.
    """
    found, results = 0, work / pack.results
    for path in paths:
        about = archive.read_head(path, HEAD)
        if about.get("corpus") != pack.corpus:
            raise InputError(f"{path} is of runs on another corpus than that of the pack")
        new = {folder for folder in about["runs"] if not (results / folder / OF_TRAINING[0]).exists()}
        archive.unpack(path, HEAD, results, lambda name: run_of(name) in new)  # noqa: B023 - called at once
        found += len(new)
    return found


def run_of(name: str) -> str:
    """The folder of the run that a file of an archive is of."""
    return "/".join(name.split("/")[:3])
