"""A whole Transformer in one call, compiled for CPUs: for each of several tokens the logits of the token after it.

A lane is one token at one position of one text. A product is taken of all lanes at once, with weights in panels of
PANEL columns that lie one after the other in memory, as they are read. What a lane gives depends on no other lane but
for earlier tokens of its own text: each of its sums runs over its own row, in one order.

Operands of products are narrow: float32, or bfloat16 as int16. Weights, keys and values hold 1 or 2 (``group``) of them
in each number of 4 bytes. All else is float32.
"""

import numpy as np
from numba import njit, types
from numba.extending import overload

from workflow.scripts.kernels.attention import EPS as SIZE_EPS
from workflow.scripts.kernels.compiled import copy, f32, i32, kernel, narrowed, normal, padded
from workflow.scripts.kernels.row_product import row_product
from workflow.scripts.kernels.rows import EPS, softmax
from workflow.scripts.kernels.tile import LANES, ROWS, tile

PANEL = 2 * LANES
CHUNK = 8 * PANEL  # columns of the perceptron that are computed, and then bent, at a time
CHAINS = 4  # most sums that a value is made of: their times are filled up to a multiple

tile_floats, tile_pairs = (tile(2, pairs) for pairs in (False, True))
# For products of 1, 2 and 4 vectors, none of which waits for its own sums.
one_floats, one_pairs = (row_product(1, CHAINS, pairs) for pairs in (False, True))
two_floats, two_pairs = (row_product(2, 2, pairs) for pairs in (False, True))
four_floats, four_pairs = (row_product(4, 1, pairs) for pairs in (False, True))
block_floats, block_pairs = (row_product(1, 1, pairs) for pairs in (False, True))


def multiply(x, c, c_stride, a, a_stride, b, k, add):
    """`tile` of (ROWS, PANEL) in the precision of the array x."""
    raise NotImplementedError("for compiled code")


def compare(y, scores, query, keys, blocks, k, ahead):
    """Products of a query with so many blocks of keys (blocks, k, LANES), in the precision of the array y."""
    raise NotImplementedError("for compiled code")


def gather(y, found, weights, values, room, k, ahead):
    """Sums of values (k, room) times their weights, in the precision of the array y."""
    raise NotImplementedError("for compiled code")


@overload(multiply)
def _multiply(x, c, c_stride, a, a_stride, b, k, add):
    product = tile_pairs if isinstance(x.dtype, types.Integer) else tile_floats
    return lambda x, c, c_stride, a, a_stride, b, k, add: product(c, c_stride, a, a_stride, b, PANEL, k, add)


@overload(compare)
def _compare(y, scores, query, keys, blocks, k, ahead):
    four, one = (four_pairs, block_pairs) if isinstance(y.dtype, types.Integer) else (four_floats, block_floats)

    def compiled(y, scores, query, keys, blocks, k, ahead):
        fours = blocks // 4 * 4
        for at in range(0, fours, 4):
            four(scores + 4 * at * LANES, query, keys + 4 * at * k * LANES, k * LANES, LANES, k, ahead)
        for at in range(fours, blocks):
            one(scores + 4 * at * LANES, query, keys + 4 * at * k * LANES, 0, LANES, k, ahead)

    return compiled


@overload(gather)
def _gather(y, found, weights, values, room, k, ahead):
    is_pairs = isinstance(y.dtype, types.Integer)
    four, two, one = (four_pairs, two_pairs, one_pairs) if is_pairs else (four_floats, two_floats, one_floats)

    def compiled(y, found, weights, values, room, k, ahead):
        at = 0
        while room - at >= 4 * LANES:
            four(found + 4 * at, weights, values + 4 * at, LANES, room, k, ahead)
            at += 4 * LANES
        if room - at >= 2 * LANES:
            two(found + 4 * at, weights, values + 4 * at, LANES, room, k, ahead)
            at += 2 * LANES
        if room > at:
            one(found + 4 * at, weights, values + 4 * at, 0, room, k, ahead)

    return compiled


@kernel
def product(out, x, k, weights, at, n, add):
    """out[:, :n] = x weights, or that added to it.

    Args:
        out: (M, n or more), M a multiple of ROWS.
        x: (M, k) narrow.
        weights: of all products, those of this one from ``at`` on: n columns in panels.
    """
    group = 4 // x.itemsize
    words = k // group
    for j in range(0, n, PANEL):
        panel = weights.ctypes.data + 4 * (at + j * words)
        for i in range(0, len(x), ROWS):
            target = out.ctypes.data + 4 * (i * out.shape[1] + j)
            source = x.ctypes.data + 4 * i * (x.shape[1] // group)
            multiply(x, target, out.shape[1], source, x.shape[1] // group, panel, words, add)


@kernel
def norm(x, y):
    """y (M, width) narrow = the layer norm of as many columns of x."""
    width = f32(y.shape[1])
    for i in range(len(x)):
        old, new = x[i, : y.shape[1]], y[i]
        mean = f32(0)
        for j in range(len(old)):
            mean += old[j]
        mean /= width
        square = f32(0)
        for j in range(len(old)):
            square += (old[j] - mean) * (old[j] - mean)
        inverse = f32(1) / np.sqrt(square / width + EPS)
        for j in range(len(old)):
            new[j] = narrowed((old[j] - mean) * inverse, new[j])


@kernel
def narrow(x, y):
    """y narrow = as many numbers of x."""
    for i in range(len(y)):
        y[i] = narrowed(x[i], y[i])


@kernel
def perceptron(x, weights, at, squared_relu, hidden):
    """hidden (M, n) narrow = the nonlinearity of x weights, a chunk of columns at a time."""
    part = np.empty((len(x), CHUNK), np.float32)
    for j in range(0, hidden.shape[1], CHUNK):
        n = min(CHUNK, hidden.shape[1] - j)
        product(part, x, x.shape[1], weights, at + j * (x.shape[1] * x.itemsize // 4), n, False)
        for i in range(len(x)):
            made, bent = part[i, :n], hidden[i, j : j + n]
            if squared_relu:
                for k in range(n):
                    value = max(made[k], f32(0))
                    bent[k] = narrowed(value * value, bent[k])
            else:
                for k in range(n):
                    bent[k] = narrowed(made[k] * normal(made[k])[0], bent[k])


@kernel
def turn(x, cos, sin, factor, normed, y):
    """y narrow = ``factor`` times a head's query or key at its position, made of one size before if ``normed``."""
    half = len(cos)
    if normed:
        square = f32(0)
        for d in range(len(x)):
            square += x[d] * x[d]
        factor /= np.sqrt(square / f32(len(x)) + SIZE_EPS)
    first, second, low, high = x[:half], x[half:], y[:half], y[half:]
    for d in range(half):
        low[d] = narrowed((first[d] * cos[d] - second[d] * sin[d]) * factor, low[d])
    for d in range(half):
        high[d] = narrowed((second[d] * cos[d] + first[d] * sin[d]) * factor, high[d])


@kernel
def keep(value, words, position, keys, values):
    """Put a head's key and value among those of its text: `Texts` says how these lie.

    Args:
        value: (D,) narrow.
        words: bits of the key and of the value, (2, D / group) int32.
    """
    kept = keys[position // LANES, :, position % LANES]
    for d in range(len(kept)):
        kept[d] = words[0, d]
    if value.itemsize == 4:
        kept = values[position]
        for d in range(len(value)):
            kept[d] = words[1, d]
    else:
        kept = values[position // 2]
        if position % 2 == 0:
            for d in range(len(value)):
                kept[d] = i32(value[d]) & i32(0xFFFF)
        else:
            for d in range(len(value)):
                kept[d] |= i32(value[d]) << i32(16)


@kernel
def attend(qkv, n_head, cos, sin, position, scale, normed, keys, values, heads, words, wanted, y):
    """One lane's attention over its text, to which its own keys and values are added.

    Args:
        qkv: (3 width or more,).
        cos, sin: (D / 2,) of its position.
        keys, values: of its text in this layer, as `Texts` has them.
        heads, words: as of `decode`.
        wanted: whether to compute y (width,) narrow, and not the keys and values alone.
    """
    head, width, group = 2 * len(cos), len(y), 4 // y.itemsize
    blocks, length, room = keys.shape[1], keys.shape[2], values.shape[2]
    seen = position + 1
    steps = padded(seen, CHAINS * group)
    key, value, query = heads
    scores, weights = np.empty(blocks * LANES, np.float32), np.empty(steps, y.dtype)
    found = np.empty(room, np.float32)
    # While one head is read, the next one's numbers are fetched: they lie as far behind.
    next_keys, next_values = blocks * length * LANES, values.shape[1] * room
    for h in range(n_head):
        at = h * head
        turn(qkv[width + at : width + at + head], cos, sin, f32(1), normed, key)
        narrow(qkv[2 * width + at :], value)
        keep(value, words, position, keys[h], values[h])
        if wanted:
            turn(qkv[at : at + head], cos, sin, scale, normed, query)
            start = keys.ctypes.data + 4 * h * next_keys
            compare(y, scores.ctypes.data, query.ctypes.data, start, position // LANES + 1, length, next_keys)
            _, total = softmax(scores, position, weights[:seen])
            for t in range(seen, steps):
                weights[t] = 0
            start = values.ctypes.data + 4 * h * next_values
            gather(y, found.ctypes.data, weights.ctypes.data, start, room, steps // group, next_values)
            out, inverse = y[at : at + head], f32(1) / total
            for d in range(head):
                out[d] = narrowed(found[d] * inverse, out[d])


@kernel
def decode(ids, rows, positions, first, model, n_head, scale, squared_relu, normed, keys, values, heads, words, logits):
    """Fill logits (n - first, V) of the lanes from ``first`` on; those of one text are in the order of its tokens.

    Args:
        ids, rows, positions: (n,) the token of each lane, the text it belongs to, and where in it.
        model: arrays of a `decoder.TransformerDecoder`.
        scale: of a product of a query and a key, float32.
        squared_relu, normed: as the block's ``activation`` and ``normed_heads`` say.
        keys, values: as `decoder.Texts` has them.
        heads, words: room for a key, a value and a query (3, D) narrow, and the same memory as (3, D / group) int32.
    """
    weights, embedded, cos, sin = model
    n, stride, width = len(ids), embedded.shape[1], 2 * n_head * cos.shape[1]
    M = padded(n, ROWS)
    row = width * heads.itemsize // 4  # numbers of 4 bytes in a row of a product's input
    x, y = np.zeros((M, stride), np.float32), np.zeros((M, width), heads.dtype)
    qkv = np.empty((M, padded(3 * width, PANEL)), np.float32)
    hidden = np.empty((M, 4 * width), heads.dtype)
    for i in range(n):
        copy(embedded[ids[i]], x[i])
    at, begin = 0, 0
    for layer in range(len(keys)):
        norm(x, y)
        product(qkv, y, width, weights, at, qkv.shape[1], False)
        at += qkv.shape[1] * row
        if layer == len(keys) - 1:
            begin = first // ROWS * ROWS
        for i in range(n):
            t = positions[i]
            attend(
                qkv[i], n_head, cos[t], sin[t], t, scale, normed,
                keys[layer, rows[i]], values[layer, rows[i]], heads, words, i >= begin, y[i],
            )  # fmt: skip
        product(x[begin:], y[begin:], width, weights, at, stride, True)
        at += stride * row
        norm(x[begin:], y[begin:])
        perceptron(y[begin:], weights, at, squared_relu, hidden[begin:])
        at += padded(4 * width, PANEL) * row
        product(x[begin:], hidden[begin:], 4 * width, weights, at, stride, True)
        at += stride * 4 * row
    norm(x[begin:], y[begin:])
    out = np.empty((M - begin, padded(logits.shape[1], PANEL)), np.float32)
    product(out, y[begin:], width, weights, at, out.shape[1], False)
    for i in range(first, n):
        copy(out[i - begin], logits[i - first])


exact = njit(cache=True, nogil=True, error_model="numpy")  # sums in their order, infinities as they are


@exact
def power_of_e(x):
    """e^x for x <= 0 within 2e-16 of it, and 0 below the least normal number.

    2^n times a polynomial over (-ln 2 / 2, ln 2 / 2), as numpy's own is no vector code.
    """
    x = max(x, -708.5)
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 0.0001984126984126984
    p = p * r + 0.001388888888888889
    p = p * r + 0.008333333333333333
    p = p * r + 0.041666666666666664
    p = p * r + 0.16666666666666666
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    y = p * np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    return y if x > -708.0 else 0.0


@exact
def choose(logits, uniforms, temperature, ids):
    """Fill ``ids``: of each row the first id up to which the probabilities make more than its number."""
    up_to = np.empty(logits.shape[1], np.float64)
    for i in range(len(logits)):
        row = logits[i]
        top = row[0]
        for logit in row:
            top = max(top, logit)
        for j in range(len(row)):
            up_to[j] = power_of_e((np.float64(row[j]) - np.float64(top)) / temperature)
        total = 0.0
        for j in range(len(row)):
            total += up_to[j]
            up_to[j] = total
        wanted, chosen = uniforms[i] * total, 0
        while chosen < len(row) - 1 and up_to[chosen] <= wanted:
            chosen += 1
        ids[i] = chosen


def draw(logits: np.ndarray, uniforms: np.ndarray, temperature: float) -> np.ndarray:
    """The ids (B,) that numbers (B,) from 0 to 1 choose by logits (B, V) float32, in double precision."""
    ids = np.empty(len(logits), np.int64)
    choose(logits, uniforms, temperature, ids)
    return ids
