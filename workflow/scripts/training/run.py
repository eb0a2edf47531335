"""One model and seed on its way through its budgets of tokens: what each run is, and how it is saved and finished."""

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from workflow.scripts import models as architectures
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.kept import give_back, keep
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import score_tunes
from workflow.scripts.machine.device import peak_memory_mb, pick_device, pick_precision
from workflow.scripts.machine.options import CONTEXT_MB
from workflow.scripts.machine.ranks import Ranks
from workflow.scripts.models import ModelConfig
from workflow.scripts.models.stored import WEIGHTS, is_whole, save_model
from workflow.scripts.training.batches import Batches, sample_tunes
from workflow.scripts.training.memory import micro_batch_for
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.options import TrainingOptions
from workflow.scripts.training.schedule import Schedule, check_branches
from workflow.scripts.training.signs import SIGN, Signs
from workflow.scripts.training.state import fingerprint, load_state, save_state
from workflow.scripts.training.stepper import Stepper

HISTORY = ("step", "tokens", "flops", "lr", "train_loss", "val_loss", "seconds")
RESULTS = (WEIGHTS, "history.csv", "config.json")
STATE = "checkpoint.pt"


@dataclass(frozen=True)
class Run:
    """One budget: how long it is, the folder that its result goes to, and the one for its state on the way."""

    tokens: int
    folder: Path
    state_folder: Path
    schedule: Schedule
    fingerprint: str

    @property
    def state(self) -> Path:
        """The file from which an unfinished run goes on."""
        return self.state_folder / STATE

    @property
    def states(self) -> list[Path]:
        """That file, and the one of a job that was told of no other folder for it."""
        return list(dict.fromkeys([self.state, self.folder / STATE]))

    def is_finished(self) -> bool:
        """Whether the folder holds exactly this run; one that was kept there is put back."""
        return self.is_there() or (give_back(self.folder, self.fingerprint) and self.is_there())

    def is_there(self) -> bool:
        """Whether the folder holds all results of this run, with weights and config that belong together."""
        if not all((self.folder / name).exists() for name in RESULTS):
            return False
        training = read_json(self.folder / "config.json").get("training", {})
        return training.get("fingerprint") == self.fingerprint and is_whole(self.folder)


@dataclass
class TrainingState:
    """How far a run has come: all that a resumption needs beside the weights and the optimiser."""

    step: int = 0
    seconds: float = 0.0
    trunk_seconds: float = 0.0  # of them spent before the cooldown, which runs of several budgets share
    micro_batch: int = 0
    history: list[tuple] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # nats a token of the steps since the last row of history


class Training:
    """A model, its optimiser and its data, at a step of one of its runs.

    Attributes:
        runs: ascending by budget. They share their steps up to the cooldown of each.
        progress: how far the model has come.
    """

    def __init__(self, options: TrainingOptions, ranks: Ranks):
        self.options = options
        self.ranks = ranks
        self.signs = Signs(options.tensorboard)
        self.device = pick_device(options.device, options.vram_mb, ranks)
        ranks.use(self.device)
        self.precision = pick_precision(options.precision, self.device)
        self.corpus = Corpus.load(options.data_dir)
        self.arch = architectures.module_for(options.arch)
        self.config = ModelConfig(
            options.arch, self.corpus.tokenizer.vocab_size, options.context_size, options.n_layer,
            options.n_embd, options.n_head, options.parametrization, options.parts,
        )  # fmt: skip
        self.identity = {
            "options": options.identity(),
            "windows_per_step": options.windows_per_step,
            "precision": self.precision,
            "device": self.device.type,
            "torch": str(torch.__version__),
            "corpus": self.corpus.content_sha256,
            "code": code_digest("train", f"models/{options.arch}"),  # as the workflow declares it
        }
        self.runs = self.plan()

    def plan(self) -> list[Run]:
        """The runs asked for.

        Raises:
            InputError: a budget is less than a step, or two leave the shared steps at the same one.
        """
        options = self.options
        runs = []
        for tokens, folder in zip(options.budgets, options.folders, strict=True):
            schedule = Schedule.of_budget(
                tokens, options.tokens_per_step, options.warmup_steps, options.cooldown_fraction
            )
            if schedule.steps < 1:
                raise InputError(f"{tokens} tokens are less than half of one step of {options.tokens_per_step}")
            identity = fingerprint(self.identity, asdict(schedule))
            runs.append(Run(tokens, folder, options.state_folder(folder), schedule, identity))
        if len(runs) > 1:
            check_branches({run.tokens: run.schedule for run in runs})
        return sorted(runs, key=lambda run: run.tokens)

    def build(self) -> None:
        """Make the model and check that the data are enough for it."""
        options, corpus = self.options, self.corpus
        self.train_split = corpus.split("train")
        if len(self.train_split.tokens) <= options.context_size:
            raise InputError(
                f"{options.data_dir}: {len(self.train_split.tokens)} training tokens are too few for a context of"
                f" {options.context_size}"
            )
        self.mine = self.ranks.share_of(options.windows_per_step)
        torch.manual_seed(options.seed)
        self.model = self.arch.Model(self.config).to(self.device)
        self.optimizer = Optimizer(self.model.param_groups(), options.weight_decay, options.beta1, self.precision)
        self.params = self.arch.count_params(self.config)
        self.flops_per_token = self.arch.flops_per_token(self.config)
        sizes = corpus.info["splits"]["train"]
        # Characters a token, begin of tune aside; the end of a tune counts as one.
        self.chars_per_token = (sizes["chars"] + sizes["tunes"]) / (sizes["tokens"] - sizes["tunes"])
        self.val_tunes = sample_tunes(corpus.split("val"), options.eval_tokens)
        self.val_chars = sum(map(corpus.tokenizer.count_chars, self.val_tunes))
        self.progress = TrainingState(micro_batch=options.batch_size)

    def open(self, run: Run) -> None:
        """Go to where ``run`` was left, or to its first step, and read the data for the rest of it."""
        state = self.saved_state(run, "step 0")
        step = state["progress"]["step"] if state else 0
        batches = Batches(
            self.train_split, self.options.seed, self.options.windows_per_step, self.options.context_size, self.device,
            step, run.schedule.steps, self.mine,
        )  # fmt: skip
        micro_batch = state["progress"]["micro_batch"] if state else self.options.batch_size
        if self.device.type == "cuda":
            micro_batch = min(micro_batch, self.fitting_micro_batch(len(self.mine)))
        self.stepper = Stepper(
            self.model, self.optimizer, batches, micro_batch, self.device, self.precision, self.options.grad_clip,
            self.options.compile, self.ranks,
        )  # fmt: skip
        if state is not None:
            self.take_up(state)

    def branch_off(self, run: Run) -> None:
        """Go on as a shorter run, from here or from where its cooldown was left."""
        state = self.saved_state(run, "the branch")
        if state is not None and state["progress"]["step"] >= self.progress.step:
            self.take_up(state)

    def return_to(self, run: Run) -> None:
        """Go back to where ``run`` was left for one that branched off."""
        self.take_up(load_state(run.state, run.fingerprint, self.identity))

    def take_up(self, state: dict) -> None:
        """Go to where a state was saved."""
        self.progress = TrainingState(**state["progress"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.stepper.carried is not None:
            mine = self.mine
            self.stepper.carried = tuple(part[:, mine.start : mine.stop].to(self.device) for part in state["carried"])

    def fitting_micro_batch(self, lanes: int) -> int:
        """Windows in one pass for which there should be memory on the GPU."""
        a = self.options
        # The estimate is of a whole job, and the weights, moments and context of this one are on the card by now.
        free_mb = ((torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()) >> 20) + CONTEXT_MB
        free_mb = min(free_mb, a.vram_mb or free_mb)
        return micro_batch_for(
            free_mb, lanes, arch=a.arch, n_layer=a.n_layer, n_embd=a.n_embd, vocab_size=self.config.vocab_size,
            block_size=a.context_size, precision=self.precision,
        )  # fmt: skip

    def saved_state(self, run: Run, otherwise: str) -> dict | None:
        """The state that a run was left in; None if there is none of this very run, which then starts ``otherwise``."""
        for folder in {run.folder, run.state_folder}:
            for torn in folder.glob(".*.tmp.*"):  # what a kill in the middle of a write left behind
                torn.unlink(missing_ok=True)
        if not (found := [path for path in run.states if path.exists()]):
            if (run.folder / SIGN).exists():  # or nobody would know why, when it is another --work_dir than before
                self.say(f"this run was begun, and {run.state} does not exist: starting from {otherwise}")
            return None
        try:
            state = load_state(found[0], run.fingerprint, self.identity)
        except InputError as error:
            self.say(f"{error}: starting from {otherwise}")
            return None
        self.say(f"resuming from step {state['progress']['step']} of {run.schedule.steps}")
        return state

    def validate(self) -> float:
        """Loss on the validation tunes, in nats a character (the end of a tune counts as one)."""
        nats = score_tunes(self.model, self.val_tunes, self.device, self.precision)
        self.model.train()
        return float(nats.sum() / self.val_chars)

    def record(self, rate: float, train_loss: float, val_loss: float) -> None:
        """Add a row to the history."""
        progress = self.progress
        tokens = progress.step * self.options.tokens_per_step
        progress.history.append(
            (
                progress.step, tokens, tokens * self.flops_per_token, f"{rate:.6g}", f"{train_loss:.6f}",
                f"{val_loss:.6f}", f"{progress.seconds:.3f}",
            )
        )  # fmt: skip
        progress.losses.clear()

    def show(self, run: Run, rate: float, train_loss: float, val_loss: float | None, speed: float) -> None:
        """Let others see how far a run is."""
        if self.ranks.is_first:
            step_tokens = self.options.tokens_per_step
            self.signs.show(
                run.folder, self.progress.history, self.progress.step * step_tokens, run.schedule.steps * step_tokens,
                rate, train_loss, val_loss, speed,
            )  # fmt: skip

    def save(self, run: Run) -> None:
        """Write the state of ``run``, from which it can go on."""
        carried = self.stepper.carried
        if carried is not None:
            carried = tuple(self.ranks.gather(part, dim=1) for part in carried)
        self.progress.micro_batch = self.stepper.micro_batch
        if self.ranks.is_first:
            state = {
                "fingerprint": run.fingerprint,
                "identity": self.identity,
                "progress": asdict(self.progress),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "carried": carried,
            }
            save_state(run.state, state)

    def finish(self, run: Run, diverged_at: int | None = None) -> None:
        """Write the results of a run, and keep them; its state goes only when they are safely there."""
        progress = self.progress
        n_tokens = run.schedule.steps * self.options.tokens_per_step
        peak = peak_memory_mb(self.device)
        training = {
            "fingerprint": run.fingerprint,
            **self.identity,
            "model_name": self.options.model_name,
            "data_dir": str(self.options.data_dir),
            "steps": run.schedule.steps,
            "tokens": n_tokens,
            "diverged_at_step": diverged_at,
            "unique_tokens": min(n_tokens, len(self.train_split.tokens)),
            "params_non_embedding": self.params[0],
            "params": self.params[1],
            "flops_per_token": self.flops_per_token,
            "flops": self.flops_per_token * n_tokens,
            "train_seconds": round(progress.seconds, 3),
            "trunk_seconds": round(progress.trunk_seconds, 3),
            "device_name": torch.cuda.get_device_name() if self.device.type == "cuda" else self.device.type,
            "processes": self.ranks.world,
            "micro_batch": self.stepper.micro_batch,
            "peak_memory_mb": peak,
        }
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(HISTORY)
        rows.writerows(progress.history)
        save_model(run.folder, self.model, self.corpus.tokenizer, training, table.getvalue())
        keep(run.folder, RESULTS, run.fingerprint)
        for path in run.states:
            path.unlink(missing_ok=True)
        self.signs.end(run.folder)
        self.say(
            f"{n_tokens:,} tokens done: {progress.seconds:,.0f} s, {peak:,} MB of {self.device.type} memory at the peak"
        )

    def say(self, text: str) -> None:
        """Print a line, once for all processes."""
        if self.ranks.is_first:
            print(text, flush=True)
