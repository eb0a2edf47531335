"""Causal attention of a whole batch, compiled for CPUs: one head at a time, in the caches of one core.

A head's queries, keys and values are taken out of the rows that the projection made, turned by their positions, and
laid out for `tile`. Then QUERIES at a time are compared with all keys up to the last of them, so that little of what
the mask drops is computed; the scores of these few never leave the cache. The backward pass computes them again from
what the forward pass kept of each query: the logarithm of its sum (Dao 2022, FlashAttention).
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from workflow.scripts.kernels.compiled import (
    STEP,
    clear,
    exp,
    f32,
    i32,
    kernel,
    narrowed,
    padded,
    transpose,
    widened,
    within,
)
from workflow.scripts.kernels.rows import softmax
from workflow.scripts.kernels.tile import LANES, multiply, multiply_across
from workflow.scripts.kernels.vectors import Vector

QUERIES = 32  # compared at a time
EPS = f32(1e-6)  # under the root by which a normed vector is divided


def rounded(x, like):
    """x (M, N) float32 in the precision of an array ``like``."""
    raise NotImplementedError("for compiled code")


def as_left(x):
    """x (M, N) as a left operand of products: float32 as it is, the bits of bfloat16 as pairs (M, N / 2)."""
    raise NotImplementedError("for compiled code")


def as_right(x):
    """x (M, N) as a right operand: float32 as it is, the bits of bfloat16 as pairs of rows (M / 2, N)."""
    raise NotImplementedError("for compiled code")


@overload(rounded)
def _rounded(x, like):
    if not isinstance(like.dtype, types.Integer):
        return lambda x, like: x

    def bits(x, like):
        y = np.empty(x.shape, np.int16)
        for i in range(x.shape[0]):
            row, to = x[i], y[i]
            for j in range(to.size):
                to[j] = narrowed(row[j], to[j])
        return y

    return bits


@overload(as_left)
def _as_left(x):
    if not isinstance(x.dtype, types.Integer):
        return lambda x: x
    return lambda x: x.view(np.int32)


@overload(as_right)
def _as_right(x):
    if not isinstance(x.dtype, types.Integer):
        return lambda x: x

    def pairs(x):
        y = np.empty((x.shape[0] // 2, x.shape[1]), np.int32)
        for i in range(y.shape[0]):
            even, odd, to = x[2 * i], x[2 * i + 1], y[i]
            for j in range(to.size):
                to[j] = (i32(even[j]) & i32(0xFFFF)) | (i32(odd[j]) << i32(16))
        return y

    return pairs


@kernel
def transposed(x):
    """A copy of x (M, N) as (N, M), M a multiple of STEP."""
    y = np.empty((x.shape[1], x.shape[0]), x.dtype)
    transpose(x, y)
    return y


# Below, a loop runs over slices of one row each, of arrays that lie in one piece: with an offset in every index, or
# steps that are not known to be of one, it would be no vector code.


@kernel
def take(rows, at, head, out):
    """Copy columns ``at`` to ``at`` + head of rows (T, n) to the first of ``out``, in float32."""
    for t in range(rows.shape[0]):
        row, to = rows[t, at : at + head], out[t]
        for d in range(row.size):
            to[d] = widened(row[d])


@kernel
def copy(rows, at, head, out):
    """The same to ``out`` of the type of rows."""
    for t in range(rows.shape[0]):
        row, to = rows[t, at : at + head], out[t]
        for d in range(row.size):
            to[d] = row[d]


@kernel
def put(grad, rows, at, head):
    """Copy the first head columns of ``grad`` to columns ``at`` of rows (T, n)."""
    for t in range(rows.shape[0]):
        row, to = grad[t], rows[t, at : at + head]
        for d in range(to.size):
            to[d] = narrowed(row[d], to[d])


@intrinsic
def turn_lanes(_typing, *addresses):
    """`turn` of LANES numbers at four addresses: of each half, of cos and of sin."""

    def generate(_context, builder, _signature, args):
        places = [builder.extract_value(args[0], at) for at in range(len(addresses))]
        a, b, c, s = (Vector.load(builder, place) for place in places)
        (a * c + b * s * -1.0).store(places[0])
        (b * c + a * s).store(places[1])
        return ir.Constant(ir.IntType(8).as_pointer(), None)

    return types.void(types.UniTuple(types.intp, len(addresses))), generate


@within
def turn(x, cos, sin, length):
    """Rotary positions on the first rows of x, in place; with -sin they are taken off again."""
    half = cos.shape[1]
    for t in range(length):
        first, second, c, s = x[t, :half], x[t, half : 2 * half], cos[t], sin[t]
        if half % LANES == 0:
            a_at, b_at, c_at, s_at = first.ctypes.data, second.ctypes.data, c.ctypes.data, s.ctypes.data
            for byte in range(0, 4 * half, 4 * LANES):
                turn_lanes(a_at + byte, b_at + byte, c_at + byte, s_at + byte)
        else:
            for d in range(half):
                a, b = first[d], second[d]
                first[d] = a * c[d] - b * s[d]
                second[d] = b * c[d] + a * s[d]


@within
def to_size_one(x, length, head, inverse):
    """Divide the first rows of x by their root mean square, in place; its inverse goes to ``inverse``."""
    for t in range(length):
        row = x[t, :head]
        square = f32(0)
        for d in range(head):
            square += row[d] * row[d]
        inverse[t] = f32(1) / np.sqrt(square / f32(head) + EPS)
        for d in range(head):
            row[d] *= inverse[t]


@within
def from_size_one(grad, x, length, head, inverse):
    """Gradient of what `to_size_one` made x of, from that of x, in place."""
    for t in range(length):
        row, slope = x[t, :head], grad[t, :head]
        along = f32(0)
        for d in range(head):
            along += slope[d] * row[d]
        along /= f32(head)
        for d in range(head):
            slope[d] = inverse[t] * (slope[d] - row[d] * along)


@within
def slope_of_scores(scores, slopes, log_sum, weights, d_scores):
    """Of one query the weights that scores (n,) give, and the gradient of the scores from ``slopes``, the weights'.

    Scores are overwritten.
    """
    along = f32(0)
    for j in range(weights.size):
        weight = exp(scores[j] - log_sum)
        scores[j] = weight
        along += weight * slopes[j]
        weights[j] = narrowed(weight, weights[j])
    for j in range(weights.size):
        d_scores[j] = narrowed(scores[j] * (slopes[j] - along), d_scores[j])


@kernel
def attend(qkv, cos, sin, n_head, scale, normed, first, y, sums):
    """Attention of the Q of T positions from ``first`` on: y (B, Q, C), and ``sums`` (B, n_head, Q) for the way back.

    Args:
        qkv: (B, T, 3 C), of each position the queries of all heads, their keys and their values; float32, or bfloat16
            as int16, as y is.
        cos, sin: (T, D / 2) float32.
        scale: of a product of a query and a key, float32.
        normed: whether queries and keys are first made of root mean square 1.
    """
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q_cos, q_sin = cos * scale, sin * scale
    Q, D, N = T - first, C // n_head, padded(T, QUERIES)
    room = (N + QUERIES, padded(D, STEP))
    q, k, v = np.zeros(room, np.float32), np.zeros(room, np.float32), np.zeros(room, qkv.dtype)
    out = np.empty((QUERIES, q.shape[1]), np.float32)
    inverse = np.empty(T, np.float32)
    for b in range(B):
        for h in range(n_head):
            take(qkv[b], h * D, D, q)
            take(qkv[b], C + h * D, D, k)
            copy(qkv[b], 2 * C + h * D, D, v)
            if normed:
                to_size_one(q, T, D, inverse)
                to_size_one(k, T, D, inverse)
            turn(q, q_cos, q_sin, T)
            turn(k, cos, sin, T)
            queries, keys = as_left(rounded(q, y)), transposed(as_left(rounded(k[:N], y)))
            values = as_right(v[:N])
            for at in range(0, Q, QUERIES):
                stop = min(padded(first + at + QUERIES, QUERIES), N)
                scores, weights = np.empty((QUERIES, stop), np.float32), np.empty((QUERIES, stop), y.dtype)
                multiply(
                    scores, queries[first + at : first + at + QUERIES], keys, D * keys.shape[0] // q.shape[1], False
                )
                rows = min(QUERIES, Q - at)
                for i in range(rows):
                    seen = first + at + i + 1
                    sums[b, h, at + i], total = softmax(scores[i, :seen], seen - 1, weights[i, :seen])
                    clear(weights[i, seen:])
                    inverse[i] = f32(1) / total
                left = as_left(weights)
                multiply(out, left, values, left.shape[1], False)
                for i in range(rows):
                    row, to = out[i], y[b, at + i, h * D : (h + 1) * D]
                    for d in range(D):
                        to[d] = narrowed(row[d] * inverse[i], to[d])


@kernel
def attend_backward(qkv, cos, sin, n_head, scale, normed, first, sums, d_y, d_qkv):
    """Gradient of qkv, in its shape, from that of y; the other arguments are those of `attend`."""
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q_cos, q_sin = cos * scale, sin * scale
    D, N = C // n_head, padded(T, QUERIES)
    width = padded(D, STEP)
    room = (N + QUERIES, width)
    q, k, d_q = np.zeros(room, np.float32), np.zeros(room, np.float32), np.empty(room, np.float32)
    v, g = np.zeros(room, qkv.dtype), np.zeros(room, qkv.dtype)
    d_k, d_v = np.empty((width, N), np.float32), np.empty((width, N), np.float32)
    q_inverse, k_inverse = np.empty(T, np.float32), np.empty(T, np.float32)
    for b in range(B):
        for h in range(n_head):
            take(qkv[b], h * D, D, q)
            take(qkv[b], C + h * D, D, k)
            copy(qkv[b], 2 * C + h * D, D, v)
            copy(d_y[b], h * D, D, g[first:])
            if normed:
                to_size_one(q, T, D, q_inverse)
                to_size_one(k, T, D, k_inverse)
            turn(q, q_cos, q_sin, T)
            turn(k, cos, sin, T)
            q_rounded, k_rounded = rounded(q, d_y), rounded(k[:N], d_y)
            queries, grads, key_rows = as_left(q_rounded), as_left(g), as_right(k_rounded)
            keys, values = transposed(as_left(k_rounded)), transposed(as_left(v[:N]))
            width_read = D * keys.shape[0] // width
            clear(d_k.reshape(-1))
            clear(d_v.reshape(-1))
            for at in range(first, T, QUERIES):
                stop = min(padded(at + QUERIES, QUERIES), N)
                scores, slopes = np.empty((QUERIES, stop), np.float32), np.empty((QUERIES, stop), np.float32)
                p, s = np.zeros((QUERIES, stop), qkv.dtype), np.zeros((QUERIES, stop), qkv.dtype)
                multiply(scores, queries[at : at + QUERIES], keys, width_read, False)
                multiply(slopes, grads[at : at + QUERIES], values, width_read, False)
                for i in range(min(QUERIES, T - at)):
                    seen = at + i + 1
                    log_sum = sums[b, h, at + i - first]
                    slope_of_scores(scores[i, :seen], slopes[i, :seen], log_sum, p[i, :seen], s[i, :seen])
                left = as_left(s)
                multiply(d_q[at : at + QUERIES], left, key_rows, left.shape[1], False)
                weights, d_scores = as_right(p), as_right(s)
                some_queries, some_grads = as_right(q_rounded[at : at + QUERIES]), as_right(g[at : at + QUERIES])
                multiply_across(d_v[:, :stop], some_grads, weights, len(weights), True)
                multiply_across(d_k[:, :stop], some_queries, d_scores, len(d_scores), True)
            clear(d_q[:first].reshape(-1))
            d_keys, d_values = transposed(d_k), transposed(d_v)
            turn(d_q, q_cos, -q_sin, T)
            turn(d_keys, cos, -sin, T)
            if normed:
                turn(q, cos / scale, -sin / scale, T)
                turn(k, cos, -sin, T)
                from_size_one(d_q, q, T, D, q_inverse)
                from_size_one(d_keys, k, T, D, k_inverse)
            put(d_q[:T], d_qkv[b], h * D, D)
            put(d_keys[:T], d_qkv[b], C + h * D, D)
            put(d_values[:T], d_qkv[b], 2 * C + h * D, D)
