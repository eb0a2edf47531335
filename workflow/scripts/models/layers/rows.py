"""What lies between a Transformer's products: norms, nonlinearities, the loss. Our own on a CPU, torch's elsewhere.

On a CPU each of these is one pass over memory (`kernels.rows`), where torch's would be up to seven.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow.scripts.kernels import rows as row_kernels
from workflow.scripts.kernels.compiled import array


def runs_compiled(x: Tensor) -> bool:
    """Whether our own kernels for CPUs apply to tensors like this one; torch.compile has its own."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and not torch.compiler.is_compiling()


def norm(x: Tensor) -> Tensor:
    """Layer norm over the last dimension, without gain or bias (Ba et al. 2016)."""
    return F.layer_norm(x, x.shape[-1:])


def add_norm(x: Tensor, branch: Tensor, scale: float, compiled: bool) -> tuple[Tensor, Tensor]:
    """x + scale branch, and the norm of that, of x and branch (..., C)."""
    if compiled:
        total, normed = AddNorm.apply(x, branch, scale)
        return total, normed
    x = torch.add(x, branch, alpha=scale)
    return x, norm(x)


def activate(x: Tensor, activation: str) -> Tensor:
    """The nonlinearity of that name: "gelu" (Hendrycks and Gimpel 2016) or "squared_relu" (So 2021, Primer)."""
    return F.gelu(x) if activation == "gelu" else F.relu(x).square()


def perceptron(x: Tensor, w_in: Tensor, w_out: Tensor, activation: str, compiled: bool) -> Tensor:
    """activate(x w_in^T) w_out^T of x (..., C)."""
    if compiled:
        y: Tensor = Perceptron.apply(x, w_in, w_out, activation)
        return y
    return F.linear(activate(F.linear(x, w_in), activation), w_out)


def mean_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of logits (..., V) at targets (...), in nats."""
    logits, targets = logits.flatten(0, -2), targets.flatten()
    if runs_compiled(logits):
        loss: Tensor = CrossEntropy.apply(logits, targets)
        return loss
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets)


class AddNorm(torch.autograd.Function):
    """`add_norm` of float32 x. For the backward pass it keeps what it returns, which the next product keeps anyway."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, branch: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        x, branch = x.contiguous(), branch.contiguous()
        C = x.shape[-1]
        total, normed = torch.empty_like(x), torch.empty_like(branch)
        inverse = x.new_empty(x.numel() // C)
        rows = (array(part.view(-1, C)) for part in (total, normed))
        row_kernels.add_norm(array(x.view(-1, C)), array(branch.view(-1, C)), np.float32(scale), *rows, array(inverse))
        ctx.save_for_backward(normed, inverse)
        ctx.scale = np.float32(scale)
        return total, normed

    @staticmethod
    def backward(ctx: Any, d_total: Tensor, d_normed: Tensor) -> tuple[Tensor, Tensor, None]:
        normed, inverse = ctx.saved_tensors
        C = normed.shape[-1]
        d_x, d_branch = torch.empty_like(d_total, memory_format=torch.contiguous_format), torch.empty_like(normed)
        rows = [array(part.reshape(-1, C)) for part in (d_total, d_normed, normed)]
        row_kernels.add_norm_backward(
            *rows, array(inverse), ctx.scale, array(d_x.view(-1, C)), array(d_branch.view(-1, C))
        )
        return d_x, d_branch, None


class Perceptron(torch.autograd.Function):
    """`perceptron` in the precision of x; its backward pass makes gradient and activation in one pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w_in: Tensor, w_out: Tensor, activation: str) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        w_in, w_out = w_in.to(x.dtype), w_out.to(x.dtype)
        inner = rows @ w_in.T
        active = torch.empty_like(inner)
        getattr(row_kernels, activation)(array(inner.view(-1)), array(active.view(-1)))
        ctx.save_for_backward(rows, inner, w_in, w_out)
        ctx.activation = activation
        return (active @ w_out.T).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        rows, inner, w_in, w_out = ctx.saved_tensors
        shape = d_y.shape
        d_y = d_y.reshape(-1, shape[-1])
        active, d_inner = torch.empty_like(inner), torch.empty_like(inner)
        d_active = d_y @ w_out
        parts = (array(part.view(-1)) for part in (inner, d_active, active, d_inner))
        getattr(row_kernels, f"{ctx.activation}_backward")(*parts)
        return (d_inner @ w_in).view(shape), (d_inner.T @ rows).float(), (d_y.T @ active).float(), None


class CrossEntropy(torch.autograd.Function):
    """`mean_cross_entropy` of logits (R, V): the gradient is made with the loss, while a row is at hand."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        logits = logits.contiguous()
        d_logits = torch.empty_like(logits)
        R, V = logits.shape
        loss = row_kernels.cross_entropy(
            array(logits), array(targets.contiguous()), V, np.float32(1 / R), array(d_logits)
        )
        ctx.save_for_backward(d_logits)
        return torch.tensor(loss / R, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor, None]:
        (d_logits,) = ctx.saved_tensors
        return d_logits.mul_(d_loss), None
