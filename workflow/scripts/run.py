"""One training run, or a trunk that runs branch off: what it is, and how it is saved, resumed and finished."""

import argparse
import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from workflow.scripts import models as architectures
from workflow.scripts.batches import Batches, sample_tunes
from workflow.scripts.checkpoint import WEIGHTS, fingerprint, is_whole, load_state, save_model, save_state
from workflow.scripts.cli import InputError
from workflow.scripts.corpus import Corpus
from workflow.scripts.device import peak_memory_mb, pick_device, pick_precision
from workflow.scripts.files import read_json, sha256, write_json
from workflow.scripts.imports import code_files
from workflow.scripts.models import ModelConfig
from workflow.scripts.optim import Optimizer
from workflow.scripts.parallel import Workers
from workflow.scripts.schedule import Schedule, branch_steps
from workflow.scripts.scoring import score_tunes
from workflow.scripts.stepper import Stepper
from workflow.scripts.vram import CONTEXT_MB, micro_batch_for

HISTORY = ("step", "tokens", "flops", "lr", "train_loss", "val_loss", "seconds")
# What a run is, of its options. The others change only where and how it is computed, which may differ between
# a run and its resumption, or say how long it is. (Another number of threads, processes or windows in a pass
# rounds sums differently, no more.)
IDENTITY = (
    "arch", "n_layer", "n_embd", "n_head", "context_size", "parametrization", "learning_rate", "warmup_steps",
    "beta1", "weight_decay", "grad_clip", "seed", "compile", "eval_interval", "eval_tokens",
)  # fmt: skip


@dataclass
class Progress:
    """Where a run stands; with the weights and the optimiser it is all that a resumption needs."""

    step: int = 0
    seconds: float = 0.0
    trunk_seconds: float = 0.0  # of them spent on a trunk shared with other runs
    micro_batch: int = 0
    history: list[tuple] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # nats a token of the steps since the last row of history


class Run:
    """A model on its way, from its first step or a trunk's branch to the end of its cooldown.

    With ``args.trunk_for`` it is a trunk: it stops where the cooldown of the longest of those budgets would
    begin, and leaves a state at the branch of each. A run that goes on from there ends with the weights of
    one trained from its first step, byte for byte on a CPU.
    """

    def __init__(self, args: argparse.Namespace, workers: Workers):
        self.args = args
        self.workers = workers
        self.output = Path(args.output_dir or f"checkpoints/{args.model_name}")
        self.device = pick_device(args.device, args.vram_mb, workers)
        workers.use(self.device)
        self.precision = pick_precision(args.precision, self.device)
        self.corpus = Corpus.load(args.data_dir)
        self.arch = architectures.module_for(args.arch)
        self.config = ModelConfig(
            args.arch, self.corpus.tokenizer.vocab_size, args.context_size, args.n_layer, args.n_embd, args.n_head,
            args.parametrization,
        )  # fmt: skip
        self.lanes = args.batch_size * args.grad_accum
        self.tokens_per_step = self.lanes * args.context_size
        self.schedules = {tokens: self.schedule_of(tokens) for tokens in args.trunk_for or [args.tokens]}
        self.schedule = max(self.schedules.values(), key=lambda schedule: schedule.branch)
        # Steps at which a trunk leaves its state, and the budget that branches off there.
        self.branches = branch_steps(self.schedules) if args.trunk_for else {}
        self.end = self.schedule.branch if self.branches else self.schedule.steps
        self.progress = Progress(micro_batch=args.batch_size)
        self.diverged_at: int | None = None  # the step whose loss was not finite
        self.identity = {
            "options": {name: getattr(args, name) for name in IDENTITY},
            "windows_per_step": self.lanes,
            "precision": self.precision,
            "device": self.device.type,
            "torch": str(torch.__version__),
            "corpus": self.corpus.content_sha256,
            "code": sha256(*map(Path, code_files("train", f"models/{args.arch}"))),  # as the workflow declares it
        }
        self.trunk_fingerprint = fingerprint(self.identity)
        self.fingerprint = (
            self.trunk_fingerprint if self.branches else fingerprint(self.identity, asdict(self.schedule))
        )

    def schedule_of(self, tokens: int) -> Schedule:
        steps = self.args.max_iters
        tokens = steps * self.tokens_per_step if steps else tokens
        schedule = Schedule.of_budget(tokens, self.tokens_per_step, self.args.warmup_steps, self.args.cooldown_fraction)
        if schedule.steps < 1:
            raise InputError(f"{tokens} tokens are less than half of one step of {self.tokens_per_step}")
        return schedule

    def is_finished(self) -> bool:
        """Whether the folder already holds exactly this run."""
        record = self.output / ("trunk.json" if self.branches else "config.json")
        wanted = [self.branch_path(t) for t in self.branches.values()] or [
            self.output / name for name in (WEIGHTS, "history.csv")
        ]
        if not all(file.exists() for file in (record, *wanted)):
            return False
        training = read_json(record).get("training", {})
        if self.branches:
            return training.get("fingerprint") == self.fingerprint and training["branches"] == self.branch_list()
        return training.get("fingerprint") == self.fingerprint and is_whole(self.output)

    def build(self) -> None:
        """Make the model and check that the data are enough for it."""
        args, corpus = self.args, self.corpus
        self.train_split = corpus.split("train")
        if len(self.train_split.tokens) <= args.context_size:
            raise InputError(
                f"{args.data_dir}: {len(self.train_split.tokens)} training tokens are too few for a context of"
                f" {args.context_size}"
            )
        self.mine = self.workers.share_of(self.lanes)
        torch.manual_seed(args.seed)
        self.model = self.arch.Model(self.config).to(self.device)
        self.optimizer = Optimizer(self.model.param_groups(), args.weight_decay, args.beta1)
        self.params = self.arch.count_params(self.config)
        self.flops_per_token = self.arch.flops_per_token(self.config)
        sizes = corpus.info["splits"]["train"]
        # Characters a token, begin of tune aside; the end of a tune counts as one.
        self.chars_per_token = (sizes["chars"] + sizes["tunes"]) / (sizes["tokens"] - sizes["tunes"])
        self.val_tunes = sample_tunes(corpus.split("val"), args.eval_tokens)
        self.val_chars = sum(map(corpus.tokenizer.count_chars, self.val_tunes))

    def resume(self) -> None:
        """Take up the furthest state there is, and read the data of what is left."""
        args, mine = self.args, self.mine
        state = self.saved_state()
        if state is not None:
            self.progress = Progress(**state["progress"])
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        if self.device.type == "cuda":
            self.progress.micro_batch = min(self.progress.micro_batch, self.fitting_micro_batch(len(mine)))
        batches = Batches(
            self.train_split, args.seed, self.lanes, args.context_size, self.device, self.progress.step, self.end, mine
        )
        self.stepper = Stepper(
            self.model, self.optimizer, batches, self.progress.micro_batch, self.device, self.precision,
            args.grad_clip, args.compile, self.workers,
        )  # fmt: skip
        if state is not None and self.stepper.carried is not None:
            self.stepper.carried = tuple(part[:, mine.start : mine.stop].to(self.device) for part in state["carried"])

    def fitting_micro_batch(self, lanes: int) -> int:
        """Windows in one pass for which there should be memory on the GPU."""
        a = self.args
        # The estimate is of a whole job, and the weights, moments and context of this one are on the card by now.
        free_mb = ((torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()) >> 20) + CONTEXT_MB
        free_mb = min(free_mb, a.vram_mb or free_mb)
        return micro_batch_for(
            free_mb, lanes, arch=a.arch, n_layer=a.n_layer, n_embd=a.n_embd, vocab_size=self.config.vocab_size,
            block_size=a.context_size, precision=self.precision,
        )  # fmt: skip

    def saved_state(self) -> dict | None:
        """The furthest state there is of this run: its own checkpoint, else the branch that it was given."""
        for torn in self.output.glob(".*.tmp.*"):  # what a kill in the middle of a write left behind
            torn.unlink(missing_ok=True)
        if (path := self.output / "checkpoint.pt").exists():
            try:
                state = load_state(path, self.fingerprint, self.identity)
                for step, tokens in self.branches.items():
                    if step <= state["progress"]["step"]:
                        pending = self.branch_path(tokens, pending=True)
                        self.load_branch(pending if pending.exists() else self.branch_path(tokens), tokens, step)
                self.say(f"resuming from step {state['progress']['step']} of {self.end}")
                return state
            except InputError as error:
                self.say(f"{error}: starting from {'the branch' if self.args.branch else 'step 0'}")
        if not self.args.branch:
            return None
        tokens = self.end * self.tokens_per_step
        state = self.load_branch(Path(self.args.branch), tokens, self.schedule.branch)
        state["progress"]["trunk_seconds"] = state["progress"]["seconds"]
        state["progress"]["micro_batch"] = self.args.batch_size  # the trunk's card may have been a smaller one
        self.say(f"going on from the trunk at step {self.schedule.branch} of {self.end}")
        return state

    def load_branch(self, path: Path, tokens: int, step: int) -> dict:
        """The trunk's state at the step where the cooldown of so many tokens starts.

        Raises:
            InputError: the file is damaged, another trunk's, or of another step.
        """
        state = load_state(path, self.trunk_fingerprint, self.identity)
        if (left := state["progress"]["step"]) != step:
            raise InputError(
                f"{path} was left at step {left}, but the cooldown of {tokens} tokens starts at step {step}"
            )
        return state

    def branch_path(self, tokens: int, pending: bool = False) -> Path:
        """The state at which a budget branches off.

        While the trunk is unfinished it stands under a name that nobody declares: Snakemake deletes the
        outputs of a job that fails, and a resumed trunk must still have them.
        """
        return self.output / f"{'.' if pending else ''}branch-{tokens}.pt"

    def branch_list(self) -> dict[str, int]:
        return {str(tokens): step for step, tokens in sorted(self.branches.items())}

    def validate(self) -> float:
        """Loss on the validation tunes, in nats a character (the end of a tune counts as one)."""
        nats = score_tunes(self.model, self.val_tunes, self.device, self.precision)
        self.model.train()
        return float(nats.sum() / self.val_chars)

    def record(self, rate: float, train_loss: float, val_loss: float) -> None:
        """Add a row to the history."""
        progress = self.progress
        tokens = progress.step * self.tokens_per_step
        progress.history.append(
            (
                progress.step, tokens, tokens * self.flops_per_token, f"{rate:.6g}", f"{train_loss:.6f}",
                f"{val_loss:.6f}", f"{progress.seconds:.3f}",
            )
        )  # fmt: skip
        progress.losses.clear()

    def save(self, name: str = "checkpoint.pt") -> None:
        carried = self.stepper.carried
        if carried is not None:
            carried = tuple(self.workers.gather(part, dim=1) for part in carried)
        self.progress.micro_batch = self.stepper.micro_batch
        if self.workers.is_first:
            state = {
                "fingerprint": self.fingerprint,
                "identity": self.identity,
                "progress": asdict(self.progress),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "carried": carried,
            }
            save_state(self.output / name, state)

    def finish(self) -> None:
        """Write the results; the checkpoint goes only when they are safely there."""
        progress = self.progress
        n_tokens = self.end * self.tokens_per_step
        peak = peak_memory_mb(self.device)
        training = {
            "fingerprint": self.fingerprint,
            **self.identity,
            "model_name": self.args.model_name,
            "data_dir": str(self.args.data_dir),
            "steps": self.end,
            "tokens": n_tokens,
            "diverged_at_step": self.diverged_at,
            "unique_tokens": min(n_tokens, len(self.train_split.tokens)),
            "params_non_embedding": self.params[0],
            "params": self.params[1],
            "flops_per_token": self.flops_per_token,
            "flops": self.flops_per_token * n_tokens,
            "train_seconds": round(progress.seconds, 3),
            "trunk_seconds": round(progress.trunk_seconds, 3),
            "device_name": torch.cuda.get_device_name() if self.device.type == "cuda" else self.device.type,
            "processes": self.workers.world,
            "micro_batch": self.stepper.micro_batch,
            "peak_memory_mb": peak,
        }
        if self.branches:
            for tokens in self.branches.values():
                if (pending := self.branch_path(tokens, pending=True)).exists():
                    pending.replace(self.branch_path(tokens))
            for dropped in self.output.glob(".branch-*.pt"):  # of a budget that is no longer asked for
                dropped.unlink()
            write_json(self.output / "trunk.json", {"training": training | {"branches": self.branch_list()}})
        else:
            table = io.StringIO()
            rows = csv.writer(table, lineterminator="\n")
            rows.writerow(HISTORY)
            rows.writerows(progress.history)
            save_model(self.output, self.model, self.corpus.tokenizer, training, table.getvalue())
        (self.output / "checkpoint.pt").unlink(missing_ok=True)
        self.say(f"done: {progress.seconds:,.0f} s, {peak:,} MB of {self.device.type} memory at the peak")

    def say(self, text: str) -> None:
        if self.workers.is_first:
            print(text, flush=True)
