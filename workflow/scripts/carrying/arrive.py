"""What came back from another machine -> files in the results of the study that it is of, where rules look for them."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.carrying import archive
from workflow.scripts.carrying.back import HEAD, LOGS, run_of
from workflow.scripts.carrying.jobs import OF_TRAINING, PROVENANCE, Job

SHOWN = 8  # of a list


def put(path: Path, jobs: Sequence[Job], corpus: str, results: Path) -> str:
    """Put the runs of an archive into a folder of results; returns sentences on what is there now, and what is not.

    What was trained here stays.

    Args:
        jobs: all that the study has.
        corpus: content hash of the corpus here.

    Raises:
        InputError: the archive is damaged, or of another study, corpus or recipe; then nothing is put.
    """
    about = archive.read_head(path, HEAD)
    if about.get("corpus") != corpus:
        raise InputError(f"{path} is of runs on another corpus ({about.get('corpus')}) than the one here ({corpus})")
    job_of = {folder: job for job in jobs for folder in job.runs}
    for folder, told in about["runs"].items():
        if folder not in job_of:
            raise InputError(f"{path} has {folder}, which is no run of this study: give its --study and --config")
        wanted = job_of[folder].told(folder, corpus)
        for key, value in wanted.items():
            if told.get(key) != value:
                raise InputError(f"{path}: {folder} was told {key} {told.get(key)}, and the study says {value}")
    mine = {folder for folder in about["runs"] if was_made_here(results / folder)}
    new = set(about["runs"]) - mine
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".came_back", dir=results) as name:
        fresh = Path(name)
        archive.unpack(path, HEAD, fresh, lambda name: run_of(name) in new or name.startswith(LOGS))
        for folder in new:
            if odd := job_of[folder].odd(fresh / folder, folder, corpus):
                raise InputError(f"{path}: config.json of {folder} is of another run ({odd})")
        move(fresh, results)
    of_study = [folder for job in jobs if not job.is_trial for folder in job.runs]
    missing = [folder for folder in of_study if not (results / folder / OF_TRAINING[0]).exists()]
    said = [f"{path}: {len(new)} runs by {about['commit'] or 'an unknown commit'} are in {results}"]
    said += [f"{len(mine)} that were trained here stay as they are"] if mine else []
    said += [f"{name} failed there: {why}" for name, why in about["failed"].items()]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        said.append(f"{len(missing)} runs of the study are missing: {', '.join(missing[:SHOWN])}{more}")
    return "\n".join(said)


def move(source: Path, target: Path) -> None:
    """Put all files of a folder into another, as of one time: none is then older than what it was made of."""
    now = time.time()
    for path in sorted(source.rglob("*")):
        if path.is_file():
            there = target / path.relative_to(source)
            there.parent.mkdir(parents=True, exist_ok=True)
            os.utime(path, (now, now))
            path.replace(there)


def was_made_here(folder: Path) -> bool:
    """Whether a run is there that did not come from elsewhere."""
    return (folder / OF_TRAINING[0]).exists() and not came(folder)


def came(folder: Path) -> bool:
    """Whether a run came from elsewhere, and nobody has trained it here since."""
    if not all((folder / name).exists() for name in (OF_TRAINING[0], PROVENANCE)):
        return False
    here, there = (read_json(folder / name).get("weights_sha256") for name in (OF_TRAINING[0], PROVENANCE))
    return here == there


def brought(results: Path) -> dict:
    """What is known of the runs that came from elsewhere: the machines, and what each run was told, by its folder."""
    machines: list[dict] = []
    runs = {}
    for path in sorted(results.glob(f"*/*/*/{PROVENANCE}")):
        if not came(path.parent):
            continue
        told = read_json(path)
        if (machine := told.pop("machine")) not in machines:
            machines.append(machine)
        runs[str(path.parent.relative_to(results))] = told | {"machine": machines.index(machine)}
    return {"machines": machines, "runs": runs}
