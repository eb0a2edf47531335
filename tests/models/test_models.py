"""Each architecture against torch's own modules, and its counts against hand counts."""

import pytest
import torch
from torch import nn

from workflow.scripts import models
from workflow.scripts.base.errors import InputError
from workflow.scripts.models import ModelConfig, gpt, lstm, modern

ARCHS = models.names()


def build(arch: str, **changes) -> nn.Module:
    torch.manual_seed(0)
    shape = {"arch": arch, "vocab_size": 50, "block_size": 16, "n_layer": 2, "n_embd": 24, "n_head": 3} | changes
    return models.module_for(arch).Model(ModelConfig(**shape)).double().eval()


@pytest.fixture
def idx():
    return torch.randint(0, 50, (4, 16), generator=torch.Generator().manual_seed(1))


def test_attention_is_torchs_multihead_attention_where_rotation_is_none():
    block = build("gpt", parametrization="standard").blocks[0]
    theirs = nn.MultiheadAttention(24, 3, bias=False, batch_first=True).double()
    theirs.load_state_dict({"in_proj_weight": block.qkv.weight, "out_proj.weight": block.attn_out.weight})
    x = torch.randn(2, 16, 24, dtype=torch.double)
    still = torch.ones(16, 4, dtype=torch.double), torch.zeros(16, 4, dtype=torch.double)
    mask = nn.Transformer.generate_square_subsequent_mask(16, dtype=torch.double)
    expected, _ = theirs(x, x, x, attn_mask=mask)
    torch.testing.assert_close(block.attention(x, *still, first=0, compiled=False), expected)


@pytest.mark.parametrize("precision", [torch.double, torch.float32])
@pytest.mark.parametrize("first", [1, 7, 15])
@pytest.mark.parametrize("arch", ["gpt", "modern"])
def test_logits_of_later_positions_are_those_of_all(arch, first, precision, idx):
    model = build(arch, n_layer=3).to(precision)
    torch.testing.assert_close(model(idx, first=first)[0], model(idx)[0][:, first:])


def test_bfloat16_stays_near_single_precision():
    model = build("gpt", block_size=100).float()
    idx = torch.randint(0, 50, (4, 100), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(idx)[0]
    assert rough.dtype == torch.bfloat16
    exact = model(idx)[0]
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("parametrization", models.PARAMETRIZATIONS)
@pytest.mark.parametrize("arch", ["gpt", "modern"])
def test_a_transformer_is_its_formula_written_out(arch, parametrization, idx):
    """Every operation once more from its definition: complex rotations, explicit softmax, one head at a time."""
    model = build(arch, n_layer=3, parametrization=parametrization)
    logit_scale, branch_scale, output_scale = 8**-0.5, 1.0, 1.0
    if parametrization == "mup":
        logit_scale, branch_scale, output_scale = gpt.BASE_HEAD**0.5 / 8, gpt.BASE_DEPTH / 3, gpt.BASE_WIDTH / 24
    if arch == "modern":
        logit_scale *= modern.LOGIT_GAIN

    def norm(x):
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()

    def rotated(x):  # (B, T, D): pairs (x_i, x_{i + D/2}) turn by position times 10000^(-2i/D)
        half = x.shape[-1] // 2
        frequency = torch.tensor([10000 ** (-i / half) for i in range(half)], dtype=torch.double)
        turn = torch.polar(torch.ones(16, half).double(), torch.arange(16).double()[:, None] * frequency)
        z = torch.complex(x[..., :half], x[..., half:]) * turn
        return torch.cat((z.real, z.imag), -1)

    def sized(x):  # to a root mean square of 1, in modern alone
        return x / x.square().mean(-1, keepdim=True).sqrt() if arch == "modern" else x

    def activated(x):
        return x * (x > 0) * x if arch == "modern" else x * 0.5 * (1 + torch.erf(x / 2**0.5))

    x = norm(model.wte.weight[idx])
    for block in model.blocks:
        q, k, v = (norm(x) @ block.qkv.weight.T).split(24, dim=-1)
        heads = []
        for h in range(3):
            cut = slice(8 * h, 8 * h + 8)
            scores = rotated(sized(q[..., cut])) @ rotated(sized(k[..., cut])).transpose(1, 2) * logit_scale
            future = torch.triu(torch.ones(16, 16, dtype=torch.bool), 1)
            heads.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[..., cut])
        x = x + branch_scale * torch.cat(heads, -1) @ block.attn_out.weight.T
        x = x + branch_scale * activated(norm(x) @ block.mlp_in.weight.T) @ block.mlp_out.weight.T
    # The buffers of angles are made in single precision.
    torch.testing.assert_close(model(idx)[0], output_scale * norm(x) @ model.wte.weight.T, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("parametrization", "output_scale"), [("mup", lstm.BASE_WIDTH / 24), ("standard", 1.0)])
def test_lstm_is_torchs_cell_step_by_step(parametrization, output_scale, idx):
    model = build("lstm", parametrization=parametrization)
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
        torch.testing.assert_close(
            model(idx[:, : t + 1])[0][:, -1], lstm.OUTPUT_GAIN * output_scale * x @ model.wte.weight.T
        )


@pytest.mark.parametrize("arch", ARCHS)
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
    assert model.is_full(state) == (models.kind_of(arch) != "lstm")


@pytest.mark.parametrize("arch", ARCHS)
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


@pytest.mark.parametrize("arch", ARCHS)
def test_counts_are_what_torch_holds(arch):
    model = build(arch)
    hidden, total = models.module_for(arch).count_params(model.config)
    assert total == sum(p.numel() for p in model.parameters())
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and not name.startswith("wte")]
    assert hidden == sum(p.numel() for p in matrices)


@pytest.mark.parametrize("parametrization", models.PARAMETRIZATIONS)
@pytest.mark.parametrize("arch", ARCHS)
def test_every_parameter_is_in_one_group(arch, parametrization):
    model = build(arch, parametrization=parametrization)
    grouped = [p for group in model.param_groups() for p in group.params]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(model.parameters())


def test_attention_weighs_most_in_small_models():
    """At T = 1024 attention adds 67% of 6N at 4x128 and 5% at 24x1600, so 6ND would misstate matched compute."""
    for (n_layer, n_embd), share in {(4, 128): 0.667, (24, 1600): 0.053}.items():
        config = shape("gpt", n_layer, n_embd, vocab_size=0)
        assert gpt.flops_per_token(config) / (6 * gpt.count_params(config)[0]) - 1 == pytest.approx(share, abs=0.001)


def test_bad_shapes_and_names_are_refused():
    with pytest.raises(InputError, match="must be a multiple of 2 x n_head"):
        build("gpt", n_head=5)
    with pytest.raises(InputError, match="unknown arch 'rnn': choose one of gpt, lstm, lstm_muon, modern"):
        models.module_for("rnn")


def test_an_lstms_loss_and_its_gradients_are_those_of_its_logits(idx):
    """On a CPU the loss has kernels of its own, as have logits that need no gradient."""
    model = build("lstm", parametrization="mup").float()
    state = tuple(torch.randn(2, 4, 24, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    logits, ends = model(idx, state)
    expected = nn.functional.cross_entropy(logits.flatten(0, 1), idx.roll(1).flatten())
    loss, others = model.loss(idx, idx.roll(1), state)
    torch.testing.assert_close((loss, *others), (expected, *ends))
    for a, b in zip(*(torch.autograd.grad(x, [*model.parameters()]) for x in (loss, expected)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * b.abs().max().item(), rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(model(idx, state), (logits, ends))


def test_an_lstm_in_bfloat16_is_the_float32_one_but_for_rounding(idx):
    model = build("lstm").float()
    state = tuple(torch.randn(2, 4, 24, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    expected, ends = model(idx, state)
    expected.square().mean().backward()
    exact = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, rounded_ends = model(idx, state)
    logits.float().square().mean().backward()
    assert rounded_ends[0].dtype == torch.float32
    for a, b in zip((logits.float(), *rounded_ends), (expected, *ends), strict=True):
        assert 0 < (a - b).norm() / b.norm() < 0.02
    for a, b in zip(model.parameters(), exact, strict=True):
        assert 0 < (a.grad - b).norm() / b.norm() < 0.05


def test_modern_has_the_parts_that_it_is_told():
    def built(parts):
        return modern.Model(ModelConfig("modern", 50, 16, 2, 24, 2, parts=parts))

    every, muon, normed = built("all"), built("muon"), built("qk_norm,squared_relu")
    assert [(block.activation, block.normed_heads) for block in every.layers()] == [("squared_relu", True)] * 2
    assert [(block.activation, block.normed_heads) for block in muon.layers()] == [("gelu", False)] * 2
    assert [group.rule for group in every.param_groups()] == ["adamw", "muon", "muon"]
    assert [group.stacked for group in every.param_groups()] == [1, 3, 1]
    assert [group.rule for group in normed.param_groups()] == ["adamw", "adamw"]
    for model in (every, muon, normed):
        held = [id(p) for group in model.param_groups() for p in group.params]
        assert sorted(held) == sorted(map(id, model.parameters()))
    with pytest.raises(InputError, match="modern has no part 'relu2': parts are qk_norm, squared_relu, muon"):
        built("muon,relu2")
