"""The heading of a column says the same in any case, and whatever stands between its words."""

import pytest

from workflow.scripts.tables.headings import heading


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("params", "Params", "# params", "num_params", "n_params", "nParams", "parameters", "Number of Parameters",
          "config/n_params", "PARAM"), "params"),
        (("params_non_embedding", "non_embedding_params", "non-embedding parameters", "nonemb_params",
          "Params (w/o embeddings)"), "params nonembedding"),
        (("val_loss", "valid loss", "validation/loss", "valLoss", "loss/val", "summary/val_loss"), "val loss"),
        (("train tokens", "training_tokens", "num_train_tokens", "trainTokens"), "train tokens"),
        (("N_no_emb", "N (non-embedding)"), "nonembedding"),
        (("N",), "n"),
        (("_step", "steps", "iter"), "step"),
        (("loss_stderr", "Loss SEM", "standard error of loss", "loss std. err."), "loss se"),
        (("bits_per_char", "Bits per Character", "bits/char"), "bits char"),
    ],
)  # fmt: skip
def test_words(names, words):
    for name in names:
        assert heading(name).words == set(words.split()), name


@pytest.mark.parametrize(
    ("name", "word", "scale"),
    [
        ("params (M)", "params", 1e6),
        ("tokens_b", "tokens", 1e9),
        ("N [millions]", "n", 1e6),
        ("billion tokens", "tokens", 1e9),
        ("D (T)", "d", 1e12),
        ("compute (ZFLOPs)", "compute", 1e21),
        ("compute (PF-days)", "compute", 1e15 * 86400),
        ("flops (1e18)", "flops", 1e18),
        ("total EFLOPs", "flops", 1e18),
        ("tflops", "tflops", 1.0),  # more often a speed
        ("Training compute (FLOP)", "flops", 1.0),
        ("model", "model", 1.0),
        ("m", "m", 1.0),
    ],
)
def test_scales(name, word, scale):
    assert word in heading(name).words
    assert heading(name).scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("name", "unit"), [("loss (bits/char)", "bits"), ("loss [ppl]", "ppl"), ("Loss (nats)", "nats"), ("loss", "")]
)
def test_units_of_loss(name, unit):
    assert heading(name) == (frozenset({"loss"}), 1.0, unit)
