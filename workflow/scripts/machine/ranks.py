"""The processes that train one model together, started by torchrun; or one process alone.

Each process holds the whole model and reads its own lanes of the global batch. Gradients are averaged once a step. All
take the same decisions at the same step: those of the first process (`from_first`), and those that a flag of any
process asks for (`any`).
"""

import os
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.torch_private import divide_each_

T = TypeVar("T")


class Ranks:
    """One process's place among those that train one model, and what these exchange.

    Attributes:
        rank: number of this process, from 0.
        world: how many there are; one alone exchanges nothing.
        gradients: the process group that gradients go through; None of one process.
    """

    def __init__(self, rank: int = 0, world: int = 1):
        self.rank = rank
        self.world = world
        self.gradients = dist.group.WORLD if world > 1 else None

    @classmethod
    def start(cls) -> "Ranks":
        """Join the other processes if torchrun started this one among several, else be one alone."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        # Gloo carries what is decided; gradients on GPUs go through NCCL (`use`). The timeout is long, as the first
        # process may wait for a GPU or a folder while the others wait for it.
        dist.init_process_group("gloo", timeout=timedelta(days=30))
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def use(self, device: torch.device) -> None:
        """Prepare to exchange gradients that are on this device."""
        if self.world > 1 and device.type == "cuda":
            self.gradients = dist.new_group(backend="nccl")

    def share_of(self, lanes: int) -> range:
        """The lanes of the global batch that this process reads.

        Raises:
            InputError: the processes cannot have equal numbers of them.
        """
        if lanes % self.world:
            raise InputError(f"{lanes} windows a step cannot be shared by {self.world} processes")
        share = lanes // self.world
        return range(self.rank * share, (self.rank + 1) * share)

    def mean_(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
        if self.world == 1:
            return
        for sent in [dist.all_reduce(tensor, group=self.gradients, async_op=True) for tensor in tensors]:
            sent.wait()
        divide_each_(tensors, self.world)

    def any(self, *flags: bool) -> list[bool]:
        """For each flag whether it is True in any process."""
        if self.world == 1:
            return list(flags)
        up = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(up, op=dist.ReduceOp.MAX)
        return up.bool().tolist()

    def from_first(self, value: T) -> T:
        """What the first process gave as ``value``, which must pickle; what the others gave does not matter."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def gather(self, tensor: Tensor, dim: int) -> Tensor:
        """The tensors of all processes in the order of their ranks, joined along ``dim``, on the CPU.

        All must have the same shape. That of one process alone is returned as it is, wherever it is.
        """
        if self.world == 1:
            return tensor
        mine = tensor.detach().cpu().contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(parts, mine)
        return torch.cat(parts, dim=dim)
