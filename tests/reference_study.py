"""A record like docs/reference-study at any stage, made of the default study's tables under the names of others."""

import copy
import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import ROOT
from workflow.scripts.base.files import read_json, write_json, write_text
from workflow.scripts.base.rates import Rate
from workflow.scripts.evaluation.learning_rates import summarise
from workflow.scripts.findings.outcome import outcomes, read_measured
from workflow.scripts.forecasts.registered import Target, read_runs, registration
from workflow.scripts.laws.estimate import Settings

DEFAULT = ROOT / "docs/default-study"
NAMES = {"gpt": "modern", "lstm": "lstm_muon"}
VOCABULARY = 104
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MADE = "2030-01-02T03:04:05+00:00"


def renamed(text: str) -> str:
    """A text about the default study with the names of the architectures of this one."""
    for old, new in NAMES.items():
        text = text.replace(old, new).replace(old.upper(), new.upper())
    return text


def targets() -> list[Target]:
    """Two larger runs of each architecture."""
    found = []
    for layers, width, tokens in ((3, 128, 4194304), (3, 192, 8388608)):
        n = 12 * layers * width**2
        flops = tokens * 6 * (n + VOCABULARY * width + layers * width * 128)
        options = "--learning_rate 0.016"
        found.append(Target(f"modern_{width}", "modern", layers, width, 8, n, tokens, flops, options))
    for width, tokens in ((272, 4194304), (408, 8388608)):
        n = 8 * width**2
        flops = tokens * 6 * (n + VOCABULARY * width)
        found.append(
            Target(f"lstm_muon_{width}", "lstm_muon", 1, width, None, n, tokens, flops, "--learning_rate 0.016")
        )
    return found


def base(folder: Path) -> Path:
    """The tables of the fit alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("runs.csv", "curves.csv", "strata.csv", "writing.csv", "fit.json"):
        write_text(folder / name, renamed((DEFAULT / name).read_text(encoding="utf-8")))
    for name in ("corpus.json", "corpus.png"):
        shutil.copy(DEFAULT / name, folder)
    shutil.copy(ROOT / "docs/reference-study/published.csv", folder)
    return folder


def register(folder: Path, **changes: object) -> dict:
    """A registration of both targets of each architecture, added to registered.json."""
    path = folder / "registered.json"
    document: dict = read_json(path) if path.exists() else {"study": "reference", "registrations": []}
    # One that is made again, of the same runs, says the same.
    before = document["registrations"]
    made = copy.deepcopy(before[-1]) if before else registration(read_runs(folder / "runs.csv"), targets(), Settings())
    document["registrations"].append({**made, "made": MADE, "commit": COMMIT, **changes})
    write_json(path, document)
    return document


def measure(folder: Path, off: tuple[float, ...]) -> dict:
    """Runs of the targets whose losses the forecasts are so far ``off``, a share of each; and forecast.json."""
    document = read_json(folder / "registered.json")
    runs = pd.read_csv(folder / "runs.csv")
    rows = []
    for target, error in zip(document["registrations"][-1]["targets"], off, strict=False):
        like = runs[runs["arch"] == target["arch"]].iloc[-1]
        changed = {"model": target["model"], "params_non_embedding": target["params"], "tokens": target["tokens"],
                   "flops": target["flops"], "test_loss": target["loss"] / (1 + error), "seconds": 3600.0,
                   "unique_tokens": min(target["tokens"], 2774570), "learning_rate": 0.016}  # fmt: skip
        rows.append({**like, **changed})
    (folder / "targets").mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "targets/runs.csv", index=False)
    writing = pd.read_csv(folder / "writing.csv")
    pd.concat([
        writing[writing["writer"] == f"{row['arch']}_xl"].assign(
            writer=row["model"], params_non_embedding=row["params_non_embedding"], tokens=row["tokens"]
        )
        for row in rows
    ]).to_csv(folder / "targets/writing.csv", index=False)  # fmt: skip
    scored = {"study": "reference", "commit": COMMIT[::-1], "committed": MADE, "table_sha256": "0" * 64,
              **outcomes(document, read_measured(folder / "targets/runs.csv"))}  # fmt: skip
    write_json(folder / "forecast.json", scored)
    return scored


def rates(folder: Path) -> None:
    """Trials of learning rates, with one model at two horizons, and what they say."""
    lines = (DEFAULT / "lr_transfer.csv").read_text(encoding="utf-8").splitlines()
    trials = pd.read_csv(io.StringIO(renamed("\n".join(line for line in lines if not line.startswith("modern")))))
    short = trials[trials["model"] == "modern_medium"].assign(tokens=262144)
    short["val_loss"] += 0.1
    trials = pd.concat([trials, short]).assign(seconds=60.0)
    trials.to_csv(folder / "lr_transfer.csv", index=False)
    write_json(folder / "lr_transfer.json", summarise(trials, {"modern": Rate(0.008), "lstm_muon": Rate(0.016)}))
    (folder / "lr_transfer.png").touch()


def setting(group: str, model: str, words: str, difference: float, half: float = 0.002, **other: object) -> dict:
    """An entry of ablations.json."""
    return {
        "group": group, "model": model, "setting": words, "params_non_embedding": 200000, "tokens": 2097152,
        "flops": 10**12, "flops_relative": 1.0, "seeds": [0], "rates": [0.008, 0.016, 0.032], "trials": 3,
        "diverged": 0, "best_trial": 0.016, "best_loss": 1.2 + difference, "optimum": 0.016, "bracketed": True,
        "difference": difference, "difference_se": half / 1.96,
        "difference_ci95": [difference - half, difference + half], **other,
    }  # fmt: skip


def ablations(folder: Path) -> None:
    """Other settings of both: one better by more than 0.02, and bfloat16 of one of them worse by more than 0.003."""
    used: dict = {"difference_se": None, "difference_ci95": None}
    settings = [
        setting("gpt", "modern_context512", "context 512", -0.03),
        setting("gpt", "modern_200k", "the base", 0.0, **used),
        setting("gpt", "modern_bfloat16", "bfloat16", 0.0001, 0.0005),
        setting("lstm", "lstm_muon_200k", "the base", 0.0, **used),
        setting("lstm", "lstm_muon_bfloat16", "bfloat16", 0.006),
        setting("lstm", "lstm_muon_layers2", "2 layers of 112", -0.04, flops_relative=1.3),
    ]
    for one in settings:
        one["beats_by_more_than_0.02"] = one["difference"] < -0.02 and one["flops_relative"] <= 1.1
    bases = {"gpt": "modern_200k", "lstm": "lstm_muon_200k"}
    bound = {"difference_below": -0.02, "flops_relative_at_most": 1.1}
    write_json(folder / "ablations.json", {"bases": bases, "better": bound, "settings": settings})
    pd.DataFrame({"model": [one["model"] for one in settings], "seconds": np.full(len(settings), 120.0)}).to_csv(
        folder / "ablations.csv", index=False
    )
    (folder / "ablations.png").touch()
