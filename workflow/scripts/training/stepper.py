"""One optimiser step: forward and backward over all lanes of a batch, in as many passes as memory asks for."""

import gc
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.tokenizer import BEGIN
from workflow.scripts.machine import crew
from workflow.scripts.machine.device import autocast, give_back_memory
from workflow.scripts.machine.ranks import Ranks
from workflow.scripts.models.language_model import LanguageModel
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.optim import Optimizer, gradients

# How torch says that a CPU has no memory left, and oneDNN that it has no room for a kernel; CUDA; and cuBLAS.
NO_MEMORY = ("can't allocate memory", "could not create a primitive", "out of memory", "ALLOC_FAILED")
GRAPH_PAYS_BELOW = 768  # width from which a GPU computes for longer than it takes to launch what it computes: estimated
UNPROVEN = 3  # steps in which torch.compile may fail: the first compiles, the second records a CUDA graph


class Stepper:
    """Takes training steps.

    Attributes:
        micro_batch: windows in one forward pass. When memory runs out it is halved, and the step is taken
            again in twice as many passes: the same global batch, and so the same step but for rounding.
        carried: what a recurrent model remembers from one window of each lane to the next; else None.
    """

    def __init__(
        self,
        model: LanguageModel,
        optimizer: Optimizer,
        batches: Batches,
        micro_batch: int,
        device: torch.device,
        precision: str,
        grad_clip: float = 1.0,
        compile: str = "auto",
        ranks: Ranks | None = None,
    ):
        self.model = model
        self.params: list[Tensor] = list(model.parameters())
        self.optimizer = optimizer
        self.batches = batches
        self.lanes = len(batches.lanes)
        self.micro_batch = divisor(self.lanes, micro_batch)
        self.device = device
        self.precision = precision
        self.grad_clip = grad_clip
        self.compile = compile
        self.ranks = ranks or Ranks()
        self.carried = model.empty_state(self.lanes) if model.carries_state else None
        self.steps_taken = 0
        self.forward = self.compiled()
        self.threads = crew.size(device) if self.forward == self.loss else 1

    def compiled(self) -> Callable:
        """What computes the loss: torch.compile pays on GPUs for models that unroll no time loop."""
        on_gpu = self.device.type == "cuda" and not self.model.carries_state
        if self.compile == "never" or (self.compile == "auto" and not on_gpu):
            return self.loss
        alone = on_gpu and self.micro_batch == self.lanes
        return torch.compile(self.loss, dynamic=False, mode=compile_mode(alone, self.model.config.n_embd))

    def step(self, step: int, learning_rate: float) -> tuple[Tensor, Tensor]:
        """Take a step; returns the mean loss in nats a token and the gradient's norm, still on the device."""
        while (loss := self.backward(step)) is None:
            self.make_room()
            self.forward = self.compiled()
        self.ranks.mean_([loss, *gradients(self.params)])
        norm = self.clip()
        self.optimizer.step(learning_rate)
        self.optimizer.zero_grad()
        return loss, norm

    def clip(self) -> Tensor:
        """The norm of all gradients, which are made shorter if it is larger than ``grad_clip``.

        On a CPU they are left alone if it is not, where torch multiplies them by 1; on a GPU to ask would be to wait.
        """
        if self.device.type == "cuda":
            return nn.utils.clip_grad_norm_(self.params, self.grad_clip)
        found = gradients(self.params)
        norm = nn.utils.get_total_norm(found)
        if not norm.item() + 1e-6 < self.grad_clip:
            nn.utils.clip_grads_with_norm_(self.params, self.grad_clip, norm)
        return norm

    def backward(self, step: int) -> Tensor | None:
        """Gradients of the mean loss over the lanes held, and that loss; None if it is to be tried again.

        That is with fewer windows in a pass, as memory ran out; or without torch.compile, as it cannot compile here.

        Raises:
            InputError: memory ran out with a single window.
        """
        at_once = divisor(self.lanes, min(self.micro_batch, max(1, self.lanes // self.threads)))
        passes = [slice(at, at + at_once) for at in range(0, self.lanes, at_once)]
        total = torch.zeros((), device=self.device)
        states = []
        if self.device.type == "cuda" and self.forward != self.loss:
            torch.compiler.cudagraph_mark_step_begin()
        try:
            work = partial(self.one_pass, step, len(passes))
            for loss, state, grads in crew.side_by_side(work, passes, self.threads):
                total += loss
                for parameter, grad in zip(self.params, grads, strict=True):
                    parameter.grad = grad if parameter.grad is None else parameter.grad.add_(grad)
                if state is not None:
                    states.append(state)
        except Exception as error:
            if ran_out_of_memory(error):
                self.take_smaller_passes(error)
            elif self.compile == "auto" and self.forward != self.loss and self.steps_taken < UNPROVEN:
                said = " ".join(str(error).strip().splitlines()[:2])
                print(f"torch.compile fails here ({type(error).__name__}: {said}): going on without", flush=True)
                self.compile = "never"
            else:
                raise
        else:
            self.steps_taken += 1
            if states:
                self.carried = tuple(torch.cat(parts, dim=1) for parts in zip(*states, strict=True))
            return total
        return None

    def take_smaller_passes(self, error: Exception) -> None:
        """Have half as many windows in a pass from here on.

        Raises:
            InputError: there is but one.
        """
        if self.micro_batch == 1:
            raise InputError("out of memory with a single window: take a smaller model or context") from error
        smaller = divisor(self.lanes, self.micro_batch // 2)
        print(
            f"out of memory with {self.micro_batch} windows in one pass: going on with {smaller},"
            f" {self.lanes // smaller} passes a step",
            flush=True,
        )
        self.micro_batch = smaller

    def one_pass(
        self, step: int, passes: int, lanes: slice
    ) -> tuple[Tensor, tuple[Tensor, ...] | None, tuple[Tensor, ...]]:
        """Of one of so many passes its share of the loss, the state that it leaves and its share of the gradients."""
        x, y = self.batches.get(step, lanes)
        loss, state = self.forward(x, y, self.state_for(x, lanes))
        loss = loss / passes
        grads = torch.autograd.grad(loss, self.params)
        return loss.detach(), state and tuple(part.detach() for part in state), grads

    def make_room(self) -> None:
        """Let go of all that a step which failed holds: not before its error and its frames are gone."""
        self.optimizer.zero_grad()
        if self.device.type == "cuda" and not self.model.carries_state:
            torch.compiler.reset()  # a CUDA graph keeps memory of its own
        gc.collect()
        give_back_memory(self.device)

    def loss(self, x: Tensor, y: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """Mean cross-entropy in nats a token of inputs and targets (B, T), and the state after them."""
        with autocast(self.device, self.precision):
            return self.model.loss(x, y, state)

    def state_for(self, x: Tensor, lanes: slice) -> tuple[Tensor, ...] | None:
        """The carried state of these lanes, zeroed where the window opens with the start of a tune."""
        if self.carried is None:
            return None
        keep = (x[:, 0] != BEGIN)[:, None]
        return tuple(state[:, lanes] * keep for state in self.carried)


def compile_mode(alone: bool, n_embd: int) -> str:
    """How torch.compile is to run a pass: "reduce-overhead" records a CUDA graph, which does away with launches.

    Gradients that are added up over passes must outlive the graph's memory, so it is for a pass that is ``alone`` in
    its step; and a wide model would win nothing, and could not use the graph's memory to score tunes between steps.
    """
    return "reduce-overhead" if alone and n_embd < GRAPH_PAYS_BELOW else "default"


def divisor(n: int, most: int) -> int:
    """The largest divisor of ``n`` that is at most ``most``."""
    return next(d for d in range(max(1, min(n, most)), 0, -1) if n % d == 0)


def ran_out_of_memory(error: Exception) -> bool:
    """Whether this is how torch, or a kernel of ours, says that memory ran out."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(said in str(error) for said in NO_MEMORY)
