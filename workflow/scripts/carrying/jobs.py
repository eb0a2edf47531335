"""What another machine is to do of a study: its runs as jobs, each with the words of its commands, and which are done.

Needs no config and no Snakemake: a job says itself all that `train`, `calc_perplexity` and `sample` are told.
"""

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.options import add_flags, from_args
from workflow.scripts.models.stored import WEIGHTS
from workflow.scripts.training.options import TrainingOptions
from workflow.scripts.training.schedule import Schedule

PROVENANCE = "carried.json"  # in a run's folder: what it was told, and the machine that did it
OF_TRAINING = ("config.json", "history.csv")


@dataclass(frozen=True)
class Job:
    """One model and seed at its budgets, or one trial: the runs that one `train` makes.

    Attributes:
        kind: folder of its runs below the results: models, targets, lr_transfer or ablations.
        flags: of `train`, as the Snakefile gives them.
        runs: tokens by folder, which is below the results; ascending by tokens.
        split: of the corpus, which its runs are scored on.
        writes: the folder of the run that writes tunes; empty if none does.
        lanes, reads: how many parts its batches are cut from, and the tokens that the longest run reads of each.
        params: of the model, in all.
        flops: of the longest run.
    """

    kind: str
    model: str
    arch: str
    seed: int
    flags: str
    runs: dict[str, int]
    split: str
    writes: str
    lanes: int
    reads: int
    params: int
    flops: int

    @property
    def name(self) -> str:
        """As people are told of it."""
        return f"{self.model} seed {self.seed}" + ("" if self.kind == "models" else f" ({self.kind})")

    def told(self, folder: str, corpus: str) -> dict:
        """All that fixes the result of one of its runs but for the code and the machine; ``corpus`` is a hash."""
        return {
            "flags": self.flags, "seed": self.seed, "tokens": self.runs[folder], "split": self.split, "corpus": corpus,
        }  # fmt: skip

    def scores(self) -> tuple[str, str]:
        """Names of the files that `calc_perplexity` writes into a run's folder."""
        stem = "perplexity" if self.split == "test" else f"perplexity_{self.split}"
        return f"{stem}.json", f"{stem}_tunes.csv"

    def is_done(self, results: Path, folder: str, corpus: str) -> bool:
        """Whether a run was trained and scored just so; its weights need not be there."""
        here = results / folder
        if not all((here / name).exists() for name in (*OF_TRAINING, *self.scores(), PROVENANCE)):
            return False
        found = read_json(here / PROVENANCE)
        return all(found.get(key) == value for key, value in self.told(folder, corpus).items())

    def is_trained(self, results: Path, folder: str, corpus: str, code: str) -> bool:
        """Whether weights are there of this very run, by what stands beside them."""
        here = results / folder
        return (
            (here / WEIGHTS).exists() and (here / OF_TRAINING[0]).exists() and not self.odd(here, folder, corpus, code)
        )

    def odd(self, here: Path, folder: str, corpus: str, code: str = "") -> str:
        """The first thing in which a run's config.json is of another run than this; empty if it is of this one.

        Args:
            here: where the run is.
            code: digest of what trained it; of any, if empty.
        """
        training = read_json(here / OF_TRAINING[0]).get("training", {})
        options = options_of(self.flags, self.seed)
        steps = Schedule.of_budget(self.runs[folder], options.tokens_per_step, 0, 0).steps
        wanted = {
            **options.identity(), "windows_per_step": options.windows_per_step, "corpus": corpus,
            "tokens": steps * options.tokens_per_step, "model_name": self.model, **({"code": code} if code else {}),
        }  # fmt: skip
        found = {**training, **training.get("options", {})}
        for key, value in wanted.items():
            if found.get(key) != value:
                return f"{key} {found.get(key)}, not {value}"
        return ""

    def left(self, results: Path, corpus: str) -> list[str]:
        """Folders of the runs that are not done."""
        return [folder for folder in self.runs if not self.is_done(results, folder, corpus)]

    def train_words(self, folders: Iterable[str], results: str, data: str, machine: list[str]) -> list[str]:
        """The command and its options that train some of its runs, as the rule `train` does."""
        folders = list(folders)
        return [
            "train", "--model_name", self.model, *shlex.split(self.flags), "--seed", str(self.seed),
            *(["--keep_diverged"] if self.is_trial else []),
            "--tokens", *(str(self.runs[folder]) for folder in folders),
            "--output_dir", *(f"{results}/{folder}" for folder in folders), "--data_dir", data, *machine, "--wait",
        ]  # fmt: skip

    def score_words(self, folders: Iterable[str], results: str, data: str, machine: list[str]) -> list[str]:
        """The command and its options that score some of its runs, as the rule `evaluate` does."""
        return [
            "calc_perplexity", "--split", self.split,
            "--checkpoint", *(f"{results}/{folder}" for folder in folders), "--data_dir", data, *machine,
        ]  # fmt: skip

    def write_words(self, flags: str, results: str, machine: list[str]) -> list[str]:
        """The command and its options that let its longest run write, as the rule `evaluate` does."""
        run = f"{results}/{self.writes}"
        return [
            "sample", *shlex.split(flags), "--checkpoint_dir", run, "--output_dir", f"{run}/samples",
            "--prompted_dir", f"{run}/prompted", "--seed", str(self.seed), *machine,
        ]  # fmt: skip

    @property
    def is_trial(self) -> bool:
        """Whether it tries a rate, which may be too high."""
        return self.kind not in ("models", "targets")

    def has_written(self, results: Path, prompts: list[str]) -> bool:
        """Whether the tables of what its longest run wrote are all there."""
        folders = ["samples", *(f"prompted/{prompt}" for prompt in prompts)]
        table = f"{self.model}-seed{self.seed}.csv"
        return all((results / self.writes / folder / table).exists() for folder in folders)

    def can_write(self, results: Path) -> bool:
        """Whether there is a run that is to write, and its weights."""
        return bool(self.writes) and (results / self.writes / WEIGHTS).exists()

    def to_dict(self) -> dict:
        return asdict(self)


def options_of(flags: str, seed: int) -> TrainingOptions:
    """What `train` reads from flags."""
    parser = cli.parser(None)
    add_flags(parser, TrainingOptions)
    words = [*shlex.split(flags), "--model_name", "any", "--seed", str(seed)]
    return from_args(TrainingOptions, parser.parse_args(words))


def job_of(entry: dict) -> Job:
    """The job that `Job.to_dict` told of.

    Raises:
        InputError: it is none, or would write elsewhere than below the results.
    """
    try:
        job = Job(**entry)
        folders = [Path(folder) for folder in (*job.runs, *filter(None, [job.writes]))]
    except (TypeError, AttributeError) as error:
        raise InputError(f"a job of the pack is not what it should be ({error})") from error
    if any(folder.is_absolute() or ".." in folder.parts or len(folder.parts) != 3 for folder in folders):
        raise InputError(f"a job of the pack names folders that are none of a study: {', '.join(map(str, folders))}")
    return job
