import pytest
import torch

from workflow.scripts.machine.options import CONTEXT_MB
from workflow.scripts.models import ModelConfig, gpt, module_for
from workflow.scripts.training.memory import ACTIVATIONS, CPU_PROCESS_MB, ON_CPU, host_mb, micro_batch_for, vram_mb

XXL = {"arch": "gpt", "n_layer": 24, "n_embd": 1600, "vocab_size": 120, "block_size": 1024, "precision": "auto"}


def kept_by_autograd(n_layer: int, precision: str) -> float:
    """Bytes, per token and unit of width, that autograd holds for the backward pass of a small GPT, weights aside."""
    B, T, d = 16, 32, 64
    model = module_for("gpt").Model(ModelConfig("gpt", 50, T, n_layer, d, 4))
    lasting = {t.data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept = {}

    def note(t):
        copy_of_weights = t.ndim == 2 and len(t) != B * T  # in 16 bits; counted elsewhere
        if t.untyped_storage().data_ptr() not in lasting and not copy_of_weights:
            kept[t.untyped_storage().data_ptr()] = t
        return t

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda t: t)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32"):
        logits, _ = model(torch.randint(50, (B, T)))
    assert logits.requires_grad
    return sum(t.untyped_storage().nbytes() for t in kept.values()) / (B * T * d)


@pytest.mark.parametrize(("precision", "which"), [("float32", 0), ("bfloat16", 1)])
def test_activations_of_a_gpt_are_what_autograd_keeps(precision, which, monkeypatch):
    monkeypatch.setattr(gpt, "runs_compiled", lambda x: False)  # the way a GPU goes
    a_layer = (kept_by_autograd(5, precision) - kept_by_autograd(2, precision)) / 3
    # Each norm's mean and deviation, and each head's log-sum, are left out: they vanish beside n_embd.
    assert a_layer == pytest.approx(ACTIVATIONS["gpt"][which], rel=0.05)


def test_xxl_trains_on_a_card_of_24_gb():
    params, context = 12 * 24 * 1600**2 + 120 * 1600, 600 << 20
    least = (18 * params + context) / 2**20  # weights, gradients, moments, copies: no activation yet
    assert least < vram_mb(**XXL, micro_batch=1) == 15000 < 24000


def test_precision_batch_and_length_cost_what_they_should():
    shape = XXL | {"n_layer": 2}
    one, two, long = (
        vram_mb(**(shape | {"block_size": 1024 * k}), micro_batch=m) for k, m in ((1, 64), (1, 128), (2, 64))
    )
    assert two == long
    assert two - one == pytest.approx(64 * 1024 * (42 * 3 * 1600 + 10 * 120) / 2**20, abs=100)
    assert vram_mb(**(shape | {"precision": "float32"}), micro_batch=64) > 1.4 * one
    assert vram_mb(**(shape | {"vocab_size": 32768}), micro_batch=64) - one > 64 * 1024 * 32000 * 10 / 2**20


def test_a_tiny_model_costs_its_context():
    for arch in ("gpt", "lstm"):
        tiny = vram_mb(arch, 1, 8, 50, 32, 1, "auto")
        assert CONTEXT_MB <= tiny <= CONTEXT_MB + 100


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_the_micro_batch_is_the_largest_that_fits(arch):
    shape = XXL | {"arch": arch}
    got = micro_batch_for(24000, 32, **shape)
    assert 1 < got < 32
    assert 32 % got == 0
    assert vram_mb(**shape, micro_batch=got) <= 24000 < vram_mb(**shape, micro_batch=2 * got)
    assert micro_batch_for(10**6, 24, **shape) == 24


def test_an_estimate_refuses_nobody():
    assert micro_batch_for(8000, 32, **XXL) == 1


def test_a_cpu_needs_what_autograd_keeps_and_at_most_as_much_again():
    a_layer = (kept_by_autograd(5, "bfloat16") - kept_by_autograd(2, "bfloat16")) / 3
    assert 0.5 * ON_CPU["gpt"][1][0] < a_layer <= ON_CPU["gpt"][1][0]


def test_the_host_of_a_small_job_has_the_process_and_of_a_large_one_its_states():
    tiny = ModelConfig("gpt", 50, 32, 1, 8, 1)
    assert CPU_PROCESS_MB <= host_mb(tiny, 1, "float32", 1000) <= CPU_PROCESS_MB + 20
    large = ModelConfig("gpt", 120, 1024, 24, 1600, 25)
    params = 12 * 24 * 1600**2 + 120 * 1600
    for on_gpu in (False, True):
        need = host_mb(large, 1, "bfloat16", 10**8, on_gpu)
        assert 24 * params / 2**20 < need < 24 * params / 2**20 + 4000
    one, two = (host_mb(large, windows, "bfloat16", 0) for windows in (8, 16))
    assert two - one == pytest.approx(8 * 1024 * (1600 * (24 * 30 + 80) + 12 * 120) / 2**20, abs=10)
    assert host_mb(large, 8, "float32", 0) == host_mb(large, 16, "float32", 0) < one  # one window at a time
    text = ModelConfig("gpt", 300, 32, 1, 8, 1)  # two bytes a token
    assert host_mb(text, 1, "float32", 10**8) - host_mb(text, 1, "float32", 0) == pytest.approx(6e8 / 2**20, abs=10)
