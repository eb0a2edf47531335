"""Each architecture against torch's own modules, and its counts against hand counts."""

import pytest
import torch
from torch import nn

from workflow.scripts import models
from workflow.scripts.cli import InputError
from workflow.scripts.models import ModelConfig, gpt, lstm


def build(arch: str, **changes) -> nn.Module:
    torch.manual_seed(0)
    shape = {"arch": arch, "vocab_size": 50, "block_size": 16, "n_layer": 2, "n_embd": 24, "n_head": 3} | changes
    return models.module_for(arch).Model(ModelConfig(**shape)).double().eval()


@pytest.fixture
def idx():
    return torch.randint(0, 50, (4, 16), generator=torch.Generator().manual_seed(1))


def test_attention_is_torchs_multihead_attention_where_rotation_is_none():
    block = build("gpt").blocks[0]
    theirs = nn.MultiheadAttention(24, 3, bias=False, batch_first=True).double()
    theirs.load_state_dict({"in_proj_weight": block.qkv.weight, "out_proj.weight": block.attn_out.weight})
    x = torch.randn(2, 16, 24, dtype=torch.double)
    still = torch.ones(16, 4, dtype=torch.double), torch.zeros(16, 4, dtype=torch.double)
    mask = nn.Transformer.generate_square_subsequent_mask(16, dtype=torch.double)
    expected, _ = theirs(x, x, x, attn_mask=mask)
    torch.testing.assert_close(block.attn_out(block.attend(x, *still, None, 0)), expected)


def test_gpt_is_its_formula_written_out(idx):
    """Every operation once more from its definition: complex rotations, explicit softmax, one head at a time."""
    model = build("gpt")

    def norm(x):
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    def rotated(x):  # (B, T, D): pairs (x_i, x_{i + D/2}) turn by position times 10000^(-2i/D)
        half = x.shape[-1] // 2
        frequency = torch.tensor([10000 ** (-i / half) for i in range(half)], dtype=torch.double)
        turn = torch.polar(torch.ones(16, half).double(), torch.arange(16).double()[:, None] * frequency)
        z = torch.complex(x[..., :half], x[..., half:]) * turn
        return torch.cat((z.real, z.imag), -1)

    x = norm(model.wte.weight[idx])
    for block in model.blocks:
        q, k, v = (norm(x) @ block.qkv.weight.T).split(24, dim=-1)
        heads = []
        for h in range(3):
            cut = slice(8 * h, 8 * h + 8)
            scores = rotated(q[..., cut]) @ rotated(k[..., cut]).transpose(1, 2) / 8**0.5
            future = torch.triu(torch.ones(16, 16, dtype=torch.bool), 1)
            heads.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[..., cut])
        x = x + torch.cat(heads, -1) @ block.attn_out.weight.T
        inner = norm(x) @ block.mlp_in.weight.T
        x = x + (inner * 0.5 * (1 + torch.erf(inner / 2**0.5))) @ block.mlp_out.weight.T
    # The buffers of angles are made in single precision.
    torch.testing.assert_close(model(idx)[0], norm(x) @ model.wte.weight.T, atol=1e-5, rtol=1e-5)


def test_lstm_is_torchs_cell_step_by_step(idx):
    model = build("lstm")
    cells = []
    for layer in range(2):
        cell = nn.LSTMCell(24, 24).double()
        names = {f"{kind}_{part}": f"{kind}_{part}_l{layer}" for kind in ("weight", "bias") for part in ("ih", "hh")}
        cell.load_state_dict({name: getattr(model.lstm, theirs) for name, theirs in names.items()})
        cells.append(cell)
    states = [None, None]
    for t in range(16):
        x = model.wte.weight[idx[:, t]]
        for layer, cell in enumerate(cells):
            states[layer] = cell(x, states[layer])
            x = states[layer][0]
        torch.testing.assert_close(model(idx[:, : t + 1])[0][:, -1], x @ model.wte.weight.T)


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_state_continues_where_it_left_off(arch, idx):
    """One token at a time with a KV cache or a state gives the logits of the whole at once."""
    model = build(arch)
    expected, _ = model(idx)
    first, state = model(idx[:, :5], model.empty_state(4))
    steps = [first]
    for t in range(5, 16):
        logits, state = model(idx[:, t : t + 1], state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), expected)
    assert model.is_full(state) == (arch == "gpt")


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_the_future_is_not_seen(arch, idx):
    model = build(arch)
    changed = idx.clone()
    changed[:, 10] = (changed[:, 10] + 1) % 50
    before, after = model(idx)[0], model(changed)[0]
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert (before[:, 10] != after[:, 10]).any()


def shape(arch, n_layer, n_embd, vocab_size=121, block_size=1024, n_head=1):
    return ModelConfig(arch, vocab_size, block_size, n_layer, n_embd, n_head)


@pytest.mark.parametrize(
    ("n_layer", "n_embd", "hidden"),
    [
        (2, 24, 13_824), (2, 32, 24_576), (2, 48, 55_296), (2, 64, 98_304), (3, 80, 230_400),
        (4, 128, 786_432), (6, 288, 5_971_968), (8, 512, 25_165_824), (12, 768, 84_934_656),
        (12, 1024, 150_994_944), (24, 1600, 737_280_000),
    ],
)  # fmt: skip
def test_gpt_counts(n_layer, n_embd, hidden):
    config = shape("gpt", n_layer, n_embd)
    assert gpt.count_params(config) == (hidden, hidden + 121 * n_embd)
    assert gpt.flops_per_token(config) == 6 * hidden + 6 * 121 * n_embd + 6 * n_layer * 1024 * n_embd


@pytest.mark.parametrize(
    ("n_layer", "n_embd", "hidden"),
    [
        (1, 40, 12_800), (1, 56, 25_088), (1, 80, 51_200), (1, 112, 100_352), (1, 168, 225_792),
        (2, 256, 1_048_576), (3, 512, 6_291_456), (4, 896, 25_690_112), (5, 1472, 86_671_360),
    ],
)  # fmt: skip
def test_lstm_counts(n_layer, n_embd, hidden):
    config = shape("lstm", n_layer, n_embd)
    assert lstm.count_params(config) == (hidden, hidden + 121 * n_embd + 8 * n_layer * n_embd)
    assert lstm.flops_per_token(config) == 6 * hidden + 6 * 121 * n_embd


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_counts_are_what_torch_holds(arch):
    model = build(arch)
    hidden, total = models.module_for(arch).count_params(model.config)
    assert total == sum(p.numel() for p in model.parameters())
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and not name.startswith("wte")]
    assert hidden == sum(p.numel() for p in matrices)


def test_attention_weighs_most_in_small_models():
    """At T = 1024 attention adds 67% of 6N at 4x128 and 5% at 24x1600, so 6ND would misstate matched compute."""
    for (n_layer, n_embd), share in {(4, 128): 0.667, (24, 1600): 0.053}.items():
        config = shape("gpt", n_layer, n_embd, vocab_size=0)
        assert gpt.flops_per_token(config) / (6 * gpt.count_params(config)[0]) - 1 == pytest.approx(share, abs=0.001)


def test_bad_shapes_and_names_are_refused():
    with pytest.raises(InputError, match="must be a multiple of 2 x n_head"):
        build("gpt", n_head=5)
    with pytest.raises(InputError, match="unknown arch 'rnn': choose one of gpt, lstm"):
        models.module_for("rnn")
