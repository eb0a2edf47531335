"""Several processes that train one model together, started by torchrun; or one process alone.

Each process holds the whole model and reads its own lanes of the global batch; gradients are averaged
once a step. All take the same decisions at the same step, for the first process speaks for all.
"""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.torch_private import divide_each_


class Ranks:
    """This process's place among its fellows, and what they tell each other."""

    def __init__(self, rank: int = 0, world: int = 1):
        self.rank = rank
        self.world = world
        self.gradients = dist.group.WORLD if world > 1 else None

    @classmethod
    def start(cls) -> "Ranks":
        """Join the others if torchrun started this process, else be alone."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        # For words; gradients on GPUs go through NCCL. The first process may wait long for a GPU or a folder.
        dist.init_process_group("gloo", timeout=timedelta(days=30))
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def use(self, device: torch.device) -> None:
        """Say where the gradients will be."""
        if self.world > 1 and device.type == "cuda":
            self.gradients = dist.new_group(backend="nccl")

    def share_of(self, lanes: int) -> range:
        """The lanes of the global batch that this process reads.

        Raises:
            InputError: they cannot be dealt out evenly.
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
        """For each flag whether it is up in any process."""
        if self.world == 1:
            return list(flags)
        up = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(up, op=dist.ReduceOp.MAX)
        return up.bool().tolist()

    def from_first(self, value: object) -> object:
        """What the first process gave."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def gather(self, tensor: Tensor, dim: int) -> Tensor:
        """The tensors of all processes, in order, joined along ``dim``, on the CPU."""
        if self.world == 1:
            return tensor
        mine = tensor.detach().cpu().contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(parts, mine)
        return torch.cat(parts, dim=dim)
