"""What writes on a CPU against the model that it was made from, token after token."""

import numpy as np
import pytest
import torch

from workflow.scripts import models
from workflow.scripts.kernels.decoder import draw
from workflow.scripts.models import ModelConfig
from workflow.scripts.writing.generate import drawn_by_torch

V, T, ROWS = 60, 40, 11
# Heads of one vector or several, filled up or not; widths that fill no panel; rows that fill no tile.
SHAPES = [
    ("gpt", 2, 24, 2), ("modern", 2, 60, 3), ("gpt", 1, 128, 2), ("modern", 1, 112, 1),
    ("lstm", 1, 40, 1), ("lstm", 3, 36, 1),
]  # fmt: skip


@pytest.fixture(params=SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def model(request):
    arch, *shape = request.param
    torch.manual_seed(0)
    return models.module_for(arch).Model(ModelConfig(arch, V, T, *shape)).eval()


@pytest.fixture
def ids():
    return np.random.default_rng(0).integers(0, V, (ROWS, T))


def decoded(model, precision, ids, first, refilled):
    """Logits (ROWS, T, V): each row is read up to a ``first`` token of its own, and at token ``refilled`` again from
    half of them on; all other tokens are taken one at a time."""
    texts = model.decoder(precision).texts(ROWS)
    logits = np.full((*ids.shape, V), np.nan, np.float32)
    for at in range(T):
        for row in np.flatnonzero(first == at):
            logits[row, at] = texts.read(row, ids[row, : at + 1])
        if at == refilled:
            for row in range(ROWS):
                logits[row, at] = texts.read(row, ids[row, at // 2 : at + 1])
        elif len(rows := np.flatnonzero(first < at)):
            logits[rows, at] = texts.step(rows, ids[rows, at])
    return logits


def expected(model, ids, first, refilled):
    """The same from the model, in double precision."""
    model = model.double()
    logits = np.full((*ids.shape, V), np.nan)
    with torch.no_grad():
        for row in range(ROWS):
            known = slice(first[row], refilled)
            logits[row, known] = model(torch.from_numpy(ids[row : row + 1]))[0][0, known]
        half = refilled // 2
        logits[:, refilled:] = model(torch.from_numpy(ids[:, half:]))[0][:, refilled - half :]
    return logits


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-5), ("bfloat16", 0.1)])
def test_logits_are_the_models_step_after_step(model, ids, precision, tolerance):
    first, refilled = np.arange(ROWS), 30
    found = decoded(model, precision, ids, first, refilled)
    wanted = expected(model, ids, first, refilled)
    assert np.nanstd(wanted) > 0.5
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    # Nor do errors of rounding add up to another distribution.
    targets = torch.from_numpy(np.roll(ids, -1, 1))[:, ROWS:-1].flatten()
    losses = [
        torch.nn.functional.cross_entropy(torch.from_numpy(x[:, ROWS:-1]).double().flatten(0, 1), targets)
        for x in (found, wanted)
    ]
    assert abs(losses[0] - losses[1]) < 0.003


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_text_is_the_same_to_the_bit_alone_and_among_others(model, ids, precision):
    decoder = model.decoder(precision)
    many, rows = decoder.texts(ROWS), np.arange(ROWS)
    for row in rows[:-1]:
        many.read(row, ids[row, : 3 + row])
    many.copy(5, ROWS - 1)
    found = [many.step(rows, ids[:, at]) for at in (20, 21)]
    found.append(many.step(rows[4:7], ids[4:7, 22]))
    alone = decoder.texts(1)
    for row, source in ((5, 5), (2, 2), (ROWS - 1, 5)):
        alone.read(0, ids[source, : 3 + source])
        for at in (0, 1):
            np.testing.assert_array_equal(alone.step(rows[:1], ids[row : row + 1, 20 + at])[0], found[at][row])
        if row == 5:
            np.testing.assert_array_equal(alone.step(rows[:1], ids[5:6, 22])[0], found[2][1])


def test_a_text_is_full_where_the_model_has_room_for_no_more(model, ids):
    texts = model.decoder("float32").texts(3)
    texts.read(0, ids[0, : T - 1])
    texts.read(2, ids[2])
    assert texts.full(np.array([2, 0])).tolist() == [not model.carries_state, False]
    texts.step(np.array([0]), ids[0, -1:])
    assert texts.full(np.array([0])).tolist() == [not model.carries_state]


@pytest.mark.parametrize("temperature", [1.0, 0.7, 3.0, 1e-310])
def test_a_draw_is_torchs(temperature):
    random = np.random.default_rng(0)
    for spread in (0.1, 3, 30):
        logits = random.normal(0, spread, (2000, 97)).astype(np.float32)
        uniforms = random.random(2000, np.float32).astype(np.float64)
        wanted = drawn_by_torch(torch.from_numpy(logits), torch.from_numpy(uniforms), temperature=temperature)
        np.testing.assert_array_equal(draw(logits, uniforms, temperature), wanted)


def test_a_draw_never_falls_off_either_end():
    logits = np.array([[-80, 0, -80], [-800, 0, -800]], np.float32)
    assert draw(logits, np.array([0.0, 0.0]), 1.0).tolist() == [0, 1]
    assert draw(logits, np.array([1.0, 1.0]), 1.0).tolist() == [2, 2]
