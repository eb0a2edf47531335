"""What a Transformer does to rows between its products, compiled for CPUs: a numba kernel is one pass over memory.

Rows are those of 2-D arrays that lie in one piece. Numbers are float32, or bfloat16 as int16; sums are in float32.
"""

import numpy as np

from workflow.scripts.kernels.compiled import exp, f32, narrowed, normal, widened, within

EPS = f32(1e-5)  # of torch's layer norm
LARGE = f32(1e30)


@within
def add_norm(x, branch, scale, total, normed, inverse):
    """total = x + scale branch, and normed = its layer norm; ``inverse`` (R,) is one over each row's deviation.

    x and total (R, C) are float32; branch and normed have a type of their own.
    """
    R, C = x.shape
    for r in range(R):
        old, add, new, y = x[r], branch[r], total[r], normed[r]
        mean = f32(0)
        for c in range(C):
            value = old[c] + scale * widened(add[c])
            new[c] = value
            mean += value
        mean /= f32(C)
        square = f32(0)
        for c in range(C):
            square += (new[c] - mean) * (new[c] - mean)
        inverse[r] = f32(1) / np.sqrt(square / f32(C) + EPS)
        for c in range(C):
            y[c] = narrowed((new[c] - mean) * inverse[r], y[c])


@within
def add_norm_backward(d_total, d_normed, normed, inverse, scale, d_x, d_branch):
    """Gradients of x and of branch from those of total (R, C) float32 and of normed."""
    R, C = d_x.shape
    for r in range(R):
        slope, y, above, below, side = d_normed[r], normed[r], d_total[r], d_x[r], d_branch[r]
        mean, along = f32(0), f32(0)
        for c in range(C):
            mean += widened(slope[c])
            along += widened(slope[c]) * widened(y[c])
        mean /= f32(C)
        along /= f32(C)
        for c in range(C):
            value = above[c] + inverse[r] * (widened(slope[c]) - mean - widened(y[c]) * along)
            below[c] = value
            side[c] = narrowed(scale * value, side[c])


@within
def gelu(x, y):
    """y = x Phi(x), of arrays (n,)."""
    for i in range(x.size):
        value = widened(x[i])
        y[i] = narrowed(value * normal(value)[0], y[i])


@within
def gelu_backward(x, d_y, y, d_x):
    """The gradient of x, and y once more: to compute it again is cheaper than to keep it.

    Every array is one of its own: of those that might be one, a loop is no vector code.
    """
    for i in range(x.size):
        value = widened(x[i])
        below, density = normal(value)
        y[i] = narrowed(value * below, y[i])
        d_x[i] = narrowed(widened(d_y[i]) * (below + value * density), d_x[i])


@within
def squared_relu(x, y):
    """y = max(x, 0)^2, of arrays (n,)."""
    for i in range(x.size):
        value = max(widened(x[i]), f32(0))
        y[i] = narrowed(value * value, y[i])


@within
def squared_relu_backward(x, d_y, y, d_x):
    """The gradient of x, and y once more, as `gelu_backward`."""
    for i in range(x.size):
        value = max(widened(x[i]), f32(0))
        y[i] = narrowed(value * value, y[i])
        d_x[i] = narrowed(widened(d_y[i]) * f32(2) * value, d_x[i])


@within
def weigh(scores, offset, weights):
    """Fill weights (n,) with e^(scores - offset) of as many scores; returns their sum."""
    total = f32(0)
    for j in range(weights.size):
        weight = exp(widened(scores[j]) - offset)
        total += weight
        weights[j] = narrowed(weight, weights[j])
    return total


@within
def softmax(scores, at, weights):
    """The logarithm of the sum of e^scores, and what weights (n,), proportional to e^scores, add up to.

    The offset that keeps e^scores within float32 is the score ``at`` some place in place of the largest, which takes as
    long to find. Where that lets the sum grow too large, the largest is taken after all.
    """
    offset = widened(scores[at])
    total = weigh(scores, offset, weights)
    if not total < LARGE:
        for j in range(weights.size):
            offset = max(offset, widened(scores[j]))
        total = weigh(scores, offset, weights)
    return offset + np.log(total), total


@within
def cross_entropy(logits, targets, n, share, d_logits):
    """Summed loss of the first n of each row of logits (R, at least n) at targets (R,), in nats.

    The gradient of ``share`` times it goes to the first n of each row of d_logits, in the same pass.
    """
    weights = np.empty(n, np.float32)
    loss = 0.0
    for r in range(targets.size):
        target, given, slope = targets[r], logits[r, :n], d_logits[r, :n]
        log_sum, total = softmax(given, target, weights)
        factor = share / total
        for v in range(n):
            slope[v] = narrowed(weights[v] * factor, slope[v])
        slope[target] = narrowed(weights[target] * factor - share, slope[target])
        loss += log_sum - widened(given[target])
    return loss
