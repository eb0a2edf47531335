"""A forecast on record before its runs are trained: what it says, what it rests on, and when it may be made.

Needs the runs.csv of a study, perhaps that of targets which are measured already, and targets: runs of known size and
FLOP that nobody has trained.
"""

import hashlib
import subprocess
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import sha256
from workflow.scripts.base.tables import read_csv
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.tables.rows import read_rows
from workflow.scripts.tables.table import read_table

WHOLE = ("n_layer", "n_embd", "params", "params_non_embedding", "tokens", "seed")  # whole numbers of runs.csv
COLUMNS = ("model", "arch", "corpus", "test_loss", "flops", *WHOLE)


class Target(NamedTuple):
    """A run that is to be forecast.

    Attributes:
        params: N of the laws, outside the embedding.
        tokens: D, in whole steps.
        flops: of its training.
        options: flags of `train` that the study gives it.
    """

    model: str
    arch: str
    n_layer: int
    n_embd: int
    n_head: int | None
    params: int
    tokens: int
    flops: int
    options: str

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return f"{self.model} at {self.tokens} tokens"


class Runs(NamedTuple):
    """What a forecast rests on.

    Attributes:
        paths: of runs.csv, and of further tables of runs.
        table: as the laws read it.
        written: its rows as they were written, those of `WHOLE` and test_loss as numbers, with the
            ``line`` in the file and the ``sha256`` of it.
    """

    paths: tuple[Path, ...]
    table: pd.DataFrame
    written: pd.DataFrame

    def of(self, arch: str) -> pd.DataFrame:
        """The runs of one architecture, for the laws."""
        return self.table[self.table["arch"] == arch]


def read_runs(*paths: Path) -> Runs:
    """The runs of a study, of one table or several.

    Raises:
        InputError: one is no runs.csv, or they are not of one corpus.
    """
    tables, rows = zip(*((read_table(path, columns=COLUMNS)[0], read_written(path)) for path in paths), strict=True)
    written = pd.concat(rows, ignore_index=True)
    if len(corpora := sorted(set(written["corpus"]))) > 1 or corpora == [""]:
        raise InputError(
            f"{paths[0]} must be of one corpus, which its rows name; they name {', '.join(map(repr, corpora))}"
        )
    return Runs(paths, pd.concat(tables, ignore_index=True), written)


def read_written(path: Path) -> pd.DataFrame:
    """The rows of a table of runs as they were written; see `Runs`.

    Raises:
        InputError: what is to be a whole number is none.
    """
    rows = read_rows(path)
    lines = path.read_bytes().split(b"\n")
    written = pd.DataFrame(rows.cells, columns=pd.Index(rows.header), dtype=str).assign(line=rows.lines)
    for name in WHOLE:
        numbers = pd.to_numeric(written[name], errors="coerce")
        if (bad := (numbers.isna() | (numbers % 1 != 0)).to_numpy()).any():
            row = written[bad].iloc[0]
            raise InputError(f"{path} line {row['line']}: {name} is {row[name]!r}, not a whole number")
        written[name] = numbers.astype("int64")
    written["test_loss"] = pd.to_numeric(written["test_loss"], errors="coerce")  # of a run that failed there is none
    written["sha256"] = [hashlib.sha256(lines[line - 1].rstrip(b"\r")).hexdigest() for line in rows.lines]
    return written.assign(path=str(path))


def was_trained(target: Target, results: Path, tokens_per_step: int) -> bool:
    """Whether anything in a study's folder shows that a target was trained: a run of as many steps, or a table's row.

    Args:
        results: holds the folders of runs, models/ and targets/.
    """
    for kind in ("targets", "models"):
        for folder in (results / kind / target.model).glob("*-seed*"):
            asked = folder.name.partition("-")[0]
            is_it = asked.isdecimal() and round(int(asked) / tokens_per_step) * tokens_per_step == target.tokens
            if is_it and any((folder / name).exists() for name in ("config.json", "perplexity.json")):
                return True
    scored = results / "targets" / "runs.csv"
    return scored.exists() and is_among(target, read_csv(scored, "model", "tokens"))


def is_among(target: Target, runs: pd.DataFrame) -> bool:
    """Whether a run of the target's model and tokens is in the table."""
    return bool(((runs["model"] == target.model) & (runs["tokens"] == target.tokens)).any())


def refuse(
    targets: Sequence[Target],
    runs: Runs,
    trained: Collection[Target],
    earlier: Sequence[dict],
    reason: str,
    output: Path,
) -> None:
    """Refuse what would be no forecast, or would change one that is on record.

    Args:
        trained: the targets whose outcome may be known.
        earlier: registrations that are in ``output``.
        reason: why there is to be a further one.

    Raises:
        InputError: a target is known already, or no reason is given for a further registration.
    """
    on_record = {(entry["model"], entry["tokens"]) for one in earlier for entry in one["targets"]}
    for target in targets:
        is_again = (target.model, target.tokens) in on_record
        if is_among(target, runs.written):
            raise InputError(
                f"{target.name} is among the runs of {runs.paths[-1]}: a forecast of what is known is none"
            )
        if runs.of(target.arch).empty:
            raise InputError(f"{runs.paths[0]} has no runs of {target.arch}, from which to forecast {target.name}")
        if is_again and not reason:
            raise InputError(f"{target.name} is registered in {output} already: another one needs its --reason")
        if target in trained and not is_again:
            raise InputError(f"{target.name}: it was trained already: a forecast after that is none")
    if earlier and not reason:
        raise InputError(f"{output} holds a registration already: a further one needs its --reason")


def registration(
    runs: Runs, targets: Sequence[Target], settings: Settings, trained: Collection[Target] = (), reason: str = ""
) -> dict:
    """What registered.json says of one registration, made now.

    Raises:
        InputError: there is no forecast of a target.
    """
    archs = list(dict.fromkeys(target.arch for target in targets))
    forecasters = {arch: Forecaster(runs.of(arch), settings) for arch in archs}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": reason,
        "commit": git("rev-parse", "HEAD"),
        "code": code_digest("fit_scaling"),
        "corpus": runs.written["corpus"].iloc[0],
        "table_sha256": sha256(runs.paths[0]),
        "runs": rests_on(runs, archs),
        "targets": [entry_of(target, forecasters[target.arch], target in trained) for target in targets],
    }


def rests_on(runs: Runs, archs: Collection[str]) -> list[dict]:
    """The rows of runs.csv that laws of these architectures are fitted to: none that failed, and each once."""
    kept = runs.table[runs.table["arch"].isin(archs)]
    fitted = set(zip(kept["size"], kept["tokens"], pd.to_numeric(kept["seed"]), strict=True))
    found = {}
    for _, row in runs.written.iterrows():
        if (row["model"], row["tokens"], row["seed"]) in fitted:
            found[row["sha256"]] = {
                "model": row["model"], "tokens": int(row["tokens"]), "seed": int(row["seed"]),
                "test_loss": float(row["test_loss"]), "sha256": row["sha256"],
            }  # fmt: skip
    return list(found.values())


def entry_of(target: Target, forecaster: Forecaster, after_outcome: bool) -> dict:
    """What registered.json says of one target.

    Raises:
        InputError: there is no forecast of it.
    """
    n, d = float(target.params), float(target.tokens)
    outcome = forecaster.at(n, d)
    if outcome.law is None:
        raise InputError(f"no forecast of {target.name}: {outcome.absent}")
    rows = forecaster.rows
    largest = {name: float(np.max(rows[name])) for name in ("flops", "params", "tokens")}
    return {
        **target._asdict(),
        **{f"times_{name}": getattr(target, name) / most for name, most in largest.items()},
        "after_outcome": after_outcome,
        **{key: outcome.law[key] for key in ("told", "loss", "pi95", "origins", "laws", "average")},
        "beyond": forecaster.beyond(n, d),
    }


def git(*words: str, folder: Path = Path(__file__).parent) -> str:
    """What git says in a folder, by default of this repository, on a line; empty where it knows nothing."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True)
    except OSError:  # there is no git
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
