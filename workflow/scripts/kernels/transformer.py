"""A whole Transformer in float32, compiled for CPUs: the losses of some windows, and the gradient of every weight.

One window after the other goes forward and back through all layers, so that what the way back needs is still in the
caches of the core, and no call of a library comes between. The weights lie one behind the other in one array, in the
order of `parameters()`: the embedding, then each layer's four matrices.
"""

import numpy as np

from workflow.scripts.kernels.attention import attend, attend_backward
from workflow.scripts.kernels.compiled import STEP, clear, copy, f32, kernel, transpose, within
from workflow.scripts.kernels.rows import (
    add_norm,
    add_norm_backward,
    cross_entropy,
    gelu,
    gelu_backward,
    squared_relu,
    squared_relu_backward,
)
from workflow.scripts.kernels.tile import multiply, multiply_across


@kernel
def matrix(flat, layer, place, shape):
    """Of all weights, or of their gradients, a layer's matrix (N, K): 0 qkv, 1 attn_out, 2 mlp_in, 3 mlp_out."""
    C = shape.n_embd
    before = 0 if place == 0 else 3 if place == 1 else 4 if place == 2 else 8
    N, K = C * (3 if place == 0 else 4 if place == 2 else 1), C * (4 if place == 3 else 1)
    start = shape.vocab_size * C + (12 * layer + before) * C * C
    return flat[start : start + N * K].reshape((N, K))


@kernel
def turned(flat, layer, place, shape):
    """The matrix of that place in what `turn` made, (K, N)."""
    w = matrix(flat, layer, place, shape)
    return w.reshape((w.shape[1], w.shape[0]))


@kernel
def turn(flat, shape):
    """All weights with each layer's matrices transposed, as products with rows want them."""
    across = np.empty_like(flat)
    for layer in range(shape.n_layer):
        for place in range(4):
            transpose(matrix(flat, layer, place, shape), turned(across, layer, place, shape))
    return across


@kernel
def head(flat, shape):
    """The embedding as the weight of the logits, filled up with zeros: (V, C) and, transposed, (C, V)."""
    V, C = shape.vocab_size, shape.n_embd
    w = np.zeros(((V + STEP - 1) // STEP * STEP, C), np.float32)
    across = np.zeros((C, len(w)), np.float32)
    for v in range(V):
        for c in range(C):
            w[v, c] = flat[v * C + c] / shape.width
            across[c, v] = w[v, c]
    return w, across


@kernel
def room(length, shape):
    """What a window keeps for the way back.

    Of each norm the result and the inverse deviation; then of each layer the projection, the sums of its softmax, what
    was attended to, and the inside of the perceptron.
    """
    L, C, T = shape.n_layer, shape.n_embd, length
    return (
        np.empty((2 * L + 2, T, C), np.float32),
        np.empty((2 * L + 2, T), np.float32),
        np.empty((L, T, 3 * C), np.float32),
        np.empty((L, shape.n_head, T), np.float32),
        np.empty((L, T, C), np.float32),
        np.empty((L, T, 4 * C), np.float32),
    )


@within
def activate(inner, active, shape):
    """The nonlinearity, of arrays of one shape."""
    if shape.squared_relu:
        squared_relu(inner.reshape(-1), active.reshape(-1))
    else:
        gelu(inner.reshape(-1), active.reshape(-1))


@within
def activate_backward(inner, d_active, active, d_inner, shape):
    """The gradient of inner, and what `activate` makes of it."""
    x, d_y, y, d_x = inner.reshape(-1), d_active.reshape(-1), active.reshape(-1), d_inner.reshape(-1)
    if shape.squared_relu:
        squared_relu_backward(x, d_y, y, d_x)
    else:
        gelu_backward(x, d_y, y, d_x)


@kernel
def forward(ids, flat, across, cos, sin, shape, first, kept):
    """One window's ids (T,) through all layers; the normed rows from ``first`` on end up in the last of the norms."""
    normed, inverse, qkv, sums, attended, inner = kept
    T, C, L = ids.size, shape.n_embd, shape.n_layer
    x, other, branch = np.empty((T, C), np.float32), np.empty((T, C), np.float32), np.zeros((T, C), np.float32)
    active = np.empty((T, 4 * C), np.float32)
    for t in range(T):
        copy(flat[ids[t] * C :], other[t])
    add_norm(other, branch, f32(0), x, normed[2 * L + 1], inverse[2 * L + 1])
    copy(normed[2 * L + 1].reshape(-1), x.reshape(-1))
    add_norm(x, branch, f32(0), other, normed[0], inverse[0])
    for layer in range(L):
        start = first if layer == L - 1 else 0
        R = T - start
        one, here, there = slice(layer, layer + 1), normed[2 * layer + 1, :R], normed[2 * layer + 2, :R]
        multiply(qkv[layer], normed[2 * layer], turned(across, layer, 0, shape), C, False)
        attend(qkv[one], cos, sin, shape.n_head, shape.logit_scale, shape.normed_heads, start, attended[one], sums[one])
        multiply(branch[:R], attended[layer], turned(across, layer, 1, shape), C, False)
        add_norm(x[start:], branch[:R], shape.branch_scale, other[:R], here, inverse[2 * layer + 1])
        multiply(inner[layer, :R], here, turned(across, layer, 2, shape), C, False)
        activate(inner[layer], active, shape)
        multiply(branch[:R], active, turned(across, layer, 3, shape), 4 * C, False)
        add_norm(other[:R], branch[:R], shape.branch_scale, x[:R], there, inverse[2 * layer + 2])


@kernel
def loss_and_gradients(ids, targets, flat, cos, sin, shape, gradients):
    """Mean loss in nats of ids at targets, each (B, T), T a multiple of STEP; fills the gradients of ``flat``."""
    B, T = ids.shape
    V, C, L = shape.vocab_size, shape.n_embd, shape.n_layer
    across, (embedding, to_logits), kept = turn(flat, shape), head(flat, shape), room(T, shape)
    normed, inverse, qkv, sums, attended, inner = kept
    d_embedding = np.empty_like(embedding)
    logits, d_logits = np.empty((T, len(embedding)), np.float32), np.zeros((T, len(embedding)), np.float32)
    d_x, d_other, d_y = np.empty((T, C), np.float32), np.empty((T, C), np.float32), np.empty((T, C), np.float32)
    d_branch, d_qkv = np.empty((T, C), np.float32), np.empty((1, T, 3 * C), np.float32)
    active, d_active, d_inner = np.empty_like(inner[0]), np.empty_like(inner[0]), np.empty_like(inner[0])
    clear(gradients)
    loss = 0.0
    for b in range(B):
        add = b > 0
        forward(ids[b], flat, across, cos, sin, shape, 0, kept)
        multiply(logits, normed[2 * L], to_logits, C, False)
        loss += cross_entropy(logits, targets[b], V, f32(1) / f32(B * T), d_logits)
        multiply_across(d_embedding, d_logits, normed[2 * L], T, add)
        multiply(d_y, d_logits, embedding, V, False)
        clear(d_x.reshape(-1))
        for layer in range(L - 1, -1, -1):
            one, here = slice(layer, layer + 1), normed[2 * layer + 1]
            add_norm_backward(
                d_x, d_y, normed[2 * layer + 2], inverse[2 * layer + 2], shape.branch_scale, d_other, d_branch
            )
            multiply(d_active, d_branch, matrix(flat, layer, 3, shape), C, False)
            activate_backward(inner[layer], d_active, active, d_inner, shape)
            multiply_across(matrix(gradients, layer, 3, shape), d_branch, active, T, True)
            multiply_across(matrix(gradients, layer, 2, shape), d_inner, here, T, True)
            multiply(d_y, d_inner, matrix(flat, layer, 2, shape), 4 * C, False)
            add_norm_backward(d_other, d_y, here, inverse[2 * layer + 1], shape.branch_scale, d_x, d_branch)
            multiply_across(matrix(gradients, layer, 1, shape), d_branch, attended[layer], T, True)
            multiply(d_y, d_branch, matrix(flat, layer, 1, shape), C, False)
            attend_backward(
                qkv[one], cos, sin, shape.n_head, shape.logit_scale, shape.normed_heads, 0, sums[one],
                d_y.reshape((1, T, C)), d_qkv,
            )  # fmt: skip
            multiply_across(matrix(gradients, layer, 0, shape), d_qkv[0], normed[2 * layer], T, True)
            multiply(d_y, d_qkv[0], matrix(flat, layer, 0, shape), 3 * C, False)
        add_norm_backward(d_x, d_y, normed[0], inverse[0], f32(0), d_other, d_branch)
        clear(d_x.reshape(-1))
        add_norm_backward(d_x, d_other, normed[2 * L + 1], inverse[2 * L + 1], f32(0), d_y, d_branch)
        for t in range(T):
            row, to = d_y[t], gradients[ids[b, t] * C : (ids[b, t] + 1) * C]
            for c in range(C):
                to[c] += row[c]
    from_head = d_embedding.reshape(-1)
    for i in range(V * C):
        gradients[i] += from_head[i] / shape.width
    return loss / (B * T)
