"""The work on a machine that has no network and may go away: job after job, until they or the time end.

Each job is trained and scored before the next begins, but small ones may share a GPU. Tunes are written when all that
is to be trained is, by models whose weights are still there. Whatever ends it, the same command goes on from there, or
a new machine from what came back.
"""

import itertools
import shlex
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.kept import KEPT
from workflow.scripts.carrying import back, machine
from workflow.scripts.carrying.jobs import OF_TRAINING, PROVENANCE, Job
from workflow.scripts.carrying.pack import MB, Pack, sources
from workflow.scripts.models.stored import WEIGHTS

DISK_MB_PER_SECOND = 200  # at which a state of training is taken to be written
STATE_BYTES = 12  # of a parameter: itself and two moments
GRACE = 20.0  # seconds that a training which is asked to stop has for its step, beside those for its state
START = 15.0  # seconds without which no job is begun
BETWEEN = 60.0  # seconds from one archive to the next
SMALL = 30_000_000  # parameters of the largest model that shares a GPU


@dataclass(frozen=True)
class How:
    """How the work is done: options of where it is computed, for all commands, and what comes back.

    Attributes:
        at_once: how many models of `SMALL` parameters or fewer are trained at a time.
        tunes: when they are written: "each" time a model is trained, "last", or "never".
        weights_mb: weights of so many MB at most come back, too.
        any_code: whether to train by other code than that which packed.
    """

    options: dict[str, str]
    at_once: int = 1
    tunes: str = "last"
    weights_mb: int = 0
    any_code: bool = False


@dataclass
class Away:
    """The work on one pack in one folder.

    Attributes:
        root: folder of our package.
        failed: what a job said that failed, by its name.
    """

    pack: Pack
    work: Path
    root: Path
    output: Path
    clock: machine.Clock
    how: How
    facts: dict = field(default_factory=machine.facts)
    failed: dict[str, str] = field(default_factory=dict)
    written_at: float = 0.0
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def results(self) -> Path:
        return self.work / self.pack.results

    def check_code(self, jobs: list[Job]) -> None:
        """Refuse to train by other code than that which the pack was made for.

        Raises:
            InputError: it is other code.
        """
        for arch in {job.arch for job in jobs}:
            if not self.how.any_code and sources(arch) != self.pack.code[arch]:
                raise InputError(
                    f"the files here that train {arch} are not those of the pack"
                    f" ({self.pack.commit or 'of an unknown commit'}): bring these, pack again, or give --any_code"
                )

    def do(self, jobs: list[Job]) -> bool:
        """Do what is left of some jobs, in order; returns whether nothing is left."""
        self.check_code(jobs)
        try:
            self.side_by_side(self.train_and_score, jobs)
            self.side_by_side(self.let_write, filter(self.is_to_write, jobs))
        finally:
            print(self.bring_back(at_least=0), flush=True)
        return not any(job.left(self.results, self.pack.corpus) or self.is_to_write(job) for job in jobs)

    def side_by_side(self, work: Callable[[Job], None], jobs: Iterable[Job]) -> None:
        """Do some work on each job in order, on small ones at the same time."""
        for is_small, group in itertools.groupby(jobs, self.is_small):
            with ThreadPoolExecutor(self.how.at_once if is_small else 1) as workers:
                for _ in workers.map(work, group):
                    self.bring_back(at_least=BETWEEN)

    def is_small(self, job: Job) -> bool:
        return self.how.at_once > 1 and job.params <= SMALL

    def train_and_score(self, job: Job) -> None:
        """Take a job as far as time allows."""
        self.score(job)  # what was trained when the time was up
        left = job.left(self.results, self.pack.corpus)
        grace = GRACE + job.params * STATE_BYTES / (DISK_MB_PER_SECOND * MB)
        if left and self.clock.left >= grace + START:
            self.say(f"{job.name}: training {len(left)} of {len(job.runs)} runs, to {max(job.runs.values()):,} tokens")
            both = ["in_turn", *self.train_words(job, left), "--then", *self.score_words(job, left)]
            status = self.run("train", job, both, grace)
            if status == 0:
                self.mark(job, left)
            elif status is None:
                self.score(job)  # what was finished on the way
                self.say(f"{job.name}: stopped in time; the same command goes on from there")
            else:
                self.fail(job, "train")
        if self.how.tunes == "each" and self.is_to_write(job):
            self.let_write(job)

    def train_words(self, job: Job, folders: list[str]) -> list[str]:
        more = {"--checkpoint_seconds": self.pack.machine["--checkpoint_seconds"]}
        return job.train_words(folders, self.pack.results, self.pack.data, self.options(job, more))

    def score_words(self, job: Job, folders: list[str]) -> list[str]:
        return job.score_words(folders, self.pack.results, self.pack.data, self.options(job))

    def options(self, job: Job, more: dict[str, str] | None = None) -> list[str]:
        """Where a command on a job is computed: on a share of the GPU, if others are at it at the same time."""
        options = self.how.options | (more or {})
        memory = [int(gpu.split(",")[-1].split()[0]) for gpu in self.facts["gpus"] if gpu.endswith("MiB")]
        if self.is_small(job) and memory:
            options |= {"--vram_mb": str(min(memory) // self.how.at_once)}
        return [word for pair in options.items() for word in pair]

    def score(self, job: Job) -> None:
        """Score the runs whose weights are there, of a job that was not finished in one go."""
        code, corpus = code_of(job), self.pack.corpus
        folders = [
            folder for folder in job.left(self.results, corpus) if job.is_trained(self.results, folder, corpus, code)
        ]
        if not folders or self.clock.left < START:
            return
        status = self.run("evaluate", job, self.score_words(job, folders))
        if status == 0:
            self.mark(job, folders)
        elif status is not None:
            self.fail(job, "evaluate")

    def mark(self, job: Job, folders: list[str]) -> None:
        """Say beside runs that were scored what they were told and where; then let weights go that nobody needs."""
        module, *words = self.train_words(job, list(job.runs))
        trained_by = shlex.join(["python", "-m", f"workflow.scripts.{module}", *words])
        by = {
            "commit": self.pack.commit, "code": code_of(job), "command": trained_by,
            "machine": self.facts, "at_once": self.how.at_once if self.is_small(job) else 1,
        }  # fmt: skip
        for folder in folders:
            here = self.results / folder
            of_run = {"weights_sha256": read_json(here / OF_TRAINING[0])["weights_sha256"]}
            write_json(here / PROVENANCE, job.told(folder, self.pack.corpus) | by | of_run)
            if folder != job.writes and (here / WEIGHTS).stat().st_size > self.how.weights_mb * MB:
                shutil.rmtree(here / KEPT, ignore_errors=True)  # or they would fill the disk
                (here / WEIGHTS).unlink()
        self.say(f"{job.name}: {len(folders)} runs trained and scored")

    def is_to_write(self, job: Job) -> bool:
        if self.how.tunes == "never" or not job.can_write(self.results):
            return False
        is_done = job.is_done(self.results, job.writes, self.pack.corpus)
        return is_done and not job.has_written(self.results, self.pack.prompts)

    def let_write(self, job: Job) -> None:
        """Let a model write its tunes, if there is time."""
        if self.clock.left < GRACE + START:
            return
        words = job.write_words(self.pack.sample_flags, self.pack.results, self.options(job))
        status = self.run("sample", job, words)
        if status == 0:
            self.say(f"{job.name}: wrote tunes")
        elif status is not None:
            self.fail(job, "sample")

    def run(self, stage: str, job: Job, words: list[str], grace: float = machine.TO_DIE) -> int | None:
        words = [f"workflow.scripts.{words[0]}", *words[1:]]
        return machine.run(words, self.work, self.root, self.log(job, stage), self.clock, grace)

    def log(self, job: Job, stage: str) -> Path:
        run = f"seed{job.seed}" if len(job.runs) > 1 else next(iter(job.runs)).split("/")[-1]
        return self.results.resolve() / back.LOGS / f"{job.kind}-{job.model}-{run}-{stage}.log"

    def fail(self, job: Job, stage: str) -> None:
        """Keep what a command said that failed; others may do better."""
        lines = self.log(job, stage).read_text(encoding="utf-8", errors="replace").splitlines()
        self.failed[job.name] = f"{stage}: {lines[-1] if lines else 'no word'}"
        self.say(f"{job.name}: {self.failed[job.name]}")

    def say(self, text: str) -> None:
        print(f"[{self.clock.passed:4.0f} s] {text}", flush=True)

    def bring_back(self, at_least: float) -> str:
        """Write what came of it so far, unless that was done less than so many seconds ago."""
        with self.writing:
            if at_least and self.clock.passed - self.written_at < at_least:
                return ""
            said = back.write(self.output / back.NAME, self.pack, self.work, self.failed, self.how.weights_mb)
            self.written_at = self.clock.passed
            return said


def code_of(job: Job) -> str:
    """Digest of the code that trains a job here, as stands in what it trains."""
    return code_digest("train", f"models/{job.arch}")
