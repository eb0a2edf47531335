"""Our LSTM for CPUs against torch's own, in double precision."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.models.layers.recurrence import PackedLSTM, RecurrentLoss, parameters

# Ids of a vocabulary, rows, steps, width and layers: whole blocks and filled ones, all rows of a tile and few of them,
# more ids than tokens and fewer.
SHAPES = [(50, 8, 20, 32, 1), (11, 1, 1, 5, 1), (30, 3, 7, 17, 2), (90, 13, 5, 48, 1), (20, 12, 9, 40, 3)]
PRECISIONS = {torch.float32: 3e-6, torch.bfloat16: 0.02}
State = tuple[Tensor, Tensor]


def made(shape: tuple[int, int, int, int, int]) -> tuple[Tensor, State, Tensor, nn.LSTM]:
    """Ids, a state, an embedding and an LSTM with gates that are open and shut."""
    V, B, T, d, L = shape
    torch.manual_seed(0)
    ids, state = torch.randint(0, V, (B, T)), (torch.rand(L, B, d) * 2 - 1, torch.randn(L, B, d))
    lstm = nn.LSTM(d, d, L, batch_first=True)
    with torch.no_grad():
        for weight in lstm.parameters():
            weight.normal_(std=1.5 * d**-0.5 if weight.ndim == 2 else 1.0)
    return ids, state, torch.randn(V, d, requires_grad=True), lstm


def ours(ids: Tensor, state: State, embedding: Tensor, lstm: nn.LSTM, dtype: torch.dtype) -> list[Tensor]:
    """Three times the loss at the ids before, both last states, and the gradients."""
    weights = [embedding, *parameters(lstm)]
    loss, *ends = RecurrentLoss.apply(ids, ids.roll(1), state, 0.7, dtype, *weights)
    gradients = torch.autograd.grad(3 * loss, weights)
    assert len({x.data_ptr() for x in gradients}) == len(weights)  # clipping scales each of them in its place
    return [3 * loss.detach(), *ends, *gradients]


def torchs(ids: Tensor, state: State, embedding: Tensor, lstm: nn.LSTM) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and the same list, from double precision."""
    exact = nn.LSTM(lstm.input_size, lstm.hidden_size, lstm.num_layers, batch_first=True).double()
    exact.load_state_dict(lstm.state_dict())
    wide = embedding.detach().double().requires_grad_()
    y, ends = exact(F.embedding(ids, wide), tuple(part.double() for part in state))
    loss = 3 * F.cross_entropy((y @ (0.7 * wide).T).flatten(0, 1), ids.roll(1).flatten())
    found = torch.autograd.grad(loss, [wide, *exact.parameters()])
    return y.detach(), [loss.detach(), *(end.detach() for end in ends), *found]


def error(x: Tensor, exact: Tensor) -> float:
    """How far x is off, as a share of the norm of what it should be."""
    return float((x.double() - exact).norm() / exact.norm())


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_states_and_gradients_are_torchs(shape, dtype):
    given = made(shape)
    found = ours(*given, dtype)
    assert all(x.dtype == torch.float32 for x in found)
    errors = [error(x, exact) for x, exact in zip(found, torchs(*given)[1], strict=True)]
    assert PRECISIONS[dtype] / 1000 < max(errors) < PRECISIONS[dtype]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_packed_once_gives_torchs_outputs_in_one_go_and_step_by_step(shape, dtype):
    ids, state, embedding, lstm = made(shape)
    expected, (_, *ends) = torchs(ids, state, embedding, lstm)
    packed = PackedLSTM(embedding, lstm, dtype)
    whole, whole_state = packed(ids, state)
    steps = []
    for at in range(ids.shape[1]):
        step, state = packed(ids[:, at : at + 1], state)
        steps.append(step)
    for y, last in ((whole, whole_state), (torch.cat(steps, 1), state)):
        assert y.dtype == dtype
        assert not y.requires_grad
        for x, exact in zip((y, *last), (expected, *ends[:2]), strict=True):
            assert error(x, exact) < PRECISIONS[dtype]


def test_no_gradient_passes_through_a_state():
    """A window goes on from the state that the one before it ended with, and learns nothing for that one."""
    ids, state, embedding, lstm = made(SHAPES[0])
    parts = tuple(part.requires_grad_() for part in state)
    loss, *ends = RecurrentLoss.apply(ids, ids, parts, 1.0, torch.float32, embedding, *parameters(lstm))
    assert not any(end.requires_grad for end in ends)
    loss.backward()
    assert [part.grad for part in parts] == [None, None]


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_threads_give_the_bits_that_one_gives(dtype):
    ids, state, embedding, lstm = made((40, 8, 60, 48, 2))
    halves = [slice(0, 4), slice(4, 8)]

    def run(rows: slice) -> list[Tensor]:
        return ours(ids[rows], (state[0][:, rows], state[1][:, rows]), embedding, lstm, dtype)

    alone = [run(rows) for rows in halves]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            torch.testing.assert_close(list(pool.map(run, halves)), alone, atol=0, rtol=0)


@pytest.mark.parametrize("bad", [-1, 50])
def test_ids_outside_of_the_vocabulary_are_refused(bad):
    ids, state, embedding, lstm = made(SHAPES[0])
    ids[3, 4] = bad
    with pytest.raises(IndexError, match="not all in a vocabulary of 50"):
        PackedLSTM(embedding, lstm, torch.float32)(ids, state)
