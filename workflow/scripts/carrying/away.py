"""The work on a machine that has no network and may go away: jobs one after the other, until they or the time end.

Each job is trained and scored before the next begins; tunes are written when all that is to be trained is, by models
whose weights are still there. Whatever ends it, the same command goes on from there, or a new machine from what came
back.
"""

import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.kept import KEPT
from workflow.scripts.carrying import back, machine
from workflow.scripts.carrying.jobs import OF_TRAINING, PROVENANCE, Job
from workflow.scripts.carrying.pack import MB, Pack
from workflow.scripts.models.stored import WEIGHTS

DISK_MB_PER_SECOND = 200  # at which a state of training is taken to be written
STATE_BYTES = 12  # of a parameter: itself and two moments
GRACE = 20.0  # seconds that a training which is asked to stop has for its step, beside those for its state
START = 15.0  # seconds without which no job is begun
BETWEEN = 60.0  # seconds from one archive to the next


@dataclass
class Away:
    """The work on one pack in one folder.

    Attributes:
        options: of where it is computed, for all commands.
        tunes: when they are written: "each" time a model is trained, "last", or "never".
        failed: what a job said that failed, by its name.
    """

    pack: Pack
    work: Path
    root: Path
    output: Path
    options: dict[str, str]
    clock: machine.Clock
    command: str
    weights_mb: int = 0
    tunes: str = "last"
    facts: dict = field(default_factory=machine.facts)
    failed: dict[str, str] = field(default_factory=dict)
    written_at: float = 0.0

    @property
    def results(self) -> Path:
        return self.work / self.pack.results

    def check_code(self, jobs: list[Job]) -> None:
        """Refuse to train by other code than that which the pack was made for.

        Raises:
            InputError: it is other code.
        """
        for arch in {job.arch for job in jobs}:
            if code_digest("train", f"models/{arch}") != self.pack.code[arch]:
                raise InputError(
                    f"the code here trains {arch} otherwise than that of the pack"
                    f" ({self.pack.commit or 'of an unknown commit'}): bring the same code, or pack again"
                )

    def do(self, jobs: list[Job]) -> bool:
        """Do what is left of some jobs, in order; returns whether nothing is left."""
        self.check_code(jobs)
        try:
            for job in jobs:
                if job.left(self.results, self.pack.corpus):
                    self.train_and_score(job)
                    self.bring_back(at_least=BETWEEN)
                if self.tunes == "each" and self.is_to_write(job):
                    self.let_write(job)
            for job in jobs:
                if self.is_to_write(job):
                    self.let_write(job)
                    self.bring_back(at_least=BETWEEN)
        finally:
            print(self.bring_back(at_least=0), flush=True)
        return not any(job.left(self.results, self.pack.corpus) or self.is_to_write(job) for job in jobs)

    def train_and_score(self, job: Job) -> None:
        """Take a job as far as time allows."""
        self.score(job)  # what was trained when the time was up
        left = job.left(self.results, self.pack.corpus)
        grace = GRACE + job.params * STATE_BYTES / (DISK_MB_PER_SECOND * MB)
        if not left or self.clock.left < grace + START:
            return
        self.say(f"{job.name}: training {len(left)} of {len(job.runs)} runs, to {max(job.runs.values()):,} tokens")
        status = self.run("train", job, self.train_words(job, left), grace)
        if status not in (0, None):
            self.fail(job, "train")
        self.score(job)
        if status is None:
            self.say(f"{job.name}: stopped in time; the same command goes on from there")

    def train_words(self, job: Job, folders: list[str]) -> list[str]:
        more = {"--checkpoint_seconds": self.pack.machine["--checkpoint_seconds"]}
        return job.train_words(folders, self.pack.results, self.pack.data, flat(self.options | more))

    def score(self, job: Job) -> None:
        """Score the runs whose weights are there, and say of each what it was told; then let weights go."""
        code, corpus = self.pack.code[job.arch], self.pack.corpus
        folders = [
            folder for folder in job.left(self.results, corpus) if job.is_trained(self.results, folder, corpus, code)
        ]
        if not folders or self.clock.left < START:
            return
        words = job.score_words(folders, self.pack.results, self.pack.data, flat(self.options))
        if (status := self.run("evaluate", job, words)) != 0:
            if status is not None:
                self.fail(job, "evaluate")
            return
        trained_by = shlex.join(["python", "-m", *self.train_words(job, list(job.runs))])
        by = {"commit": self.pack.commit, "code": code, "command": trained_by, "carry": self.command}
        for folder in folders:
            here = self.results / folder
            of_run = {"weights_sha256": read_json(here / OF_TRAINING[0])["weights_sha256"], "machine": self.facts}
            write_json(here / PROVENANCE, job.told(folder, corpus) | by | of_run)
            if folder != job.writes and (here / WEIGHTS).stat().st_size > self.weights_mb * MB:
                shutil.rmtree(here / KEPT, ignore_errors=True)  # or the disk would be full of weights that nobody needs
                (here / WEIGHTS).unlink()
        self.say(f"{job.name}: {len(folders)} runs trained and scored")

    def is_to_write(self, job: Job) -> bool:
        if (
            self.tunes == "never"
            or not job.can_write(self.results)
            or not job.is_done(self.results, job.writes, self.pack.corpus)
        ):
            return False
        return not job.has_written(self.results, self.pack.prompts)

    def let_write(self, job: Job) -> None:
        """Let a model write its tunes, if there is time."""
        if self.clock.left < GRACE + START:
            return
        words = job.write_words(self.pack.sample_flags, self.pack.results, flat(self.options))
        status = self.run("sample", job, words)
        if status == 0:
            self.say(f"{job.name}: wrote tunes")
        elif status is not None:
            self.fail(job, "sample")

    def run(self, stage: str, job: Job, words: list[str], grace: float = machine.TO_DIE) -> int | None:
        return machine.run(words, self.work, self.root, self.log(job, stage), self.clock, grace)

    def log(self, job: Job, stage: str) -> Path:
        name = f"{job.kind}-{job.model}-" + (
            next(iter(job.runs)).split("/")[-1] if len(job.runs) == 1 else f"seed{job.seed}"
        )
        return self.results.resolve() / back.LOGS / f"{name}-{stage}.log"

    def fail(self, job: Job, stage: str) -> None:
        """Keep what a command said that failed; others may do better."""
        lines = self.log(job, stage).read_text(encoding="utf-8", errors="replace").splitlines()
        self.failed[job.name] = f"{stage}: {lines[-1] if lines else 'no word'}"
        self.say(f"{job.name}: {self.failed[job.name]}")

    def say(self, text: str) -> None:
        print(f"[{self.clock.passed:4.0f} s] {text}", flush=True)

    def bring_back(self, at_least: float) -> str:
        """Write what came of it so far, unless that was done less than so many seconds ago."""
        if at_least and self.clock.passed - self.written_at < at_least:
            return ""
        said = back.write(self.output / back.NAME, self.pack, self.work, self.failed, self.weights_mb)
        self.written_at = self.clock.passed
        return said


def flat(options: dict[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]
