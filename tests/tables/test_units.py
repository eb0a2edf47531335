"""Losses come out in nats, and numbers that cannot be what they are said to be are refused or told."""

import numpy as np
import pytest

from workflow.scripts.base.errors import InputError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("ppl", "ppl"), ("Perplexity", "ppl"), ("val_ppl", "ppl"), ("test/perplexity", "ppl"), ("loss (ppl)", "ppl"),
        ("bits_per_char", "bits"), ("bpc", "bits"), ("bpb", "bits"), ("loss_bits", "bits"), ("bits", "bits"),
        ("test bits per byte", "bits"), ("loss [bits/char]", "bits"), ("nats_per_token", "nats"), ("loss_nats", "nats"),
    ],
)  # fmt: skip
def test_the_unit_is_in_the_name(read, name, unit):
    table, notes = read(f"params,{name},stderr\n10,4,0.1\n20,3,0.3\n")
    loss = np.array([4.0, 3.0])
    wanted = {"ppl": np.log(loss), "bits": loss * np.log(2), "nats": loss}[unit]
    errors = {"ppl": np.array([0.1, 0.3]) / loss, "bits": np.array([0.1, 0.3]) * np.log(2), "nats": [0.1, 0.3]}[unit]
    assert table["loss"].to_numpy() == pytest.approx(wanted)
    assert table["loss_se"].to_numpy() == pytest.approx(errors)
    said = {"ppl": ["losses are perplexities: their logarithms, in nats, are fitted"], "nats": [],
            "bits": ["losses are in bits: times ln 2 they are nats, which is what is fitted"]}[unit]  # fmt: skip
    assert notes[1:] == said
    assert name in notes[0]


def test_the_unit_can_be_told(read):
    assert read("params,loss\n10,4\n", loss_unit="bits")[0]["loss"].iloc[0] == pytest.approx(4 * np.log(2))
    assert read("params,loss\n10,4\n", loss_unit="ppl")[0]["loss"].iloc[0] == pytest.approx(np.log(4))
    assert read("params,ppl\n10,4\n", loss_unit="bits")[0]["loss"].iloc[0] == pytest.approx(4 * np.log(2))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("params,tokens,loss\n1e8,0.02,2\n1e9,20,2\n", r"line 2: tokens is '0.02', below 1: .* billions\? .*0.02B"),
        ("params,tokens,loss\n0.07,300,2\n1.4,300,2\n", "params is '0.07', below 1"),
        ("params,flops,loss\n1e8,0.3,2\n", "flops is '0.3', below 1"),
        ("params,loss\n1.9,10000\n1.6,20000\n", "look swapped: --columns params=loss,loss=params turns them"),
        ("N,L\n1.9,10000\n1.6,20000\n", "--columns params=L,loss=N turns them"),
        ("params,loss\n1e304,2\n", r"line 2: params is '1e304', above 1e\+18, which no run has"),
        ("params,tokens,loss\n1e6,1e300,2\n", "tokens is '1e300', above"),
        ("params,loss\n1e6,1e-300\n", "loss is '1e-300', below 1e-09"),
        ("params,loss\n1e6,1e300\n", "loss is '1e300', above"),
        ("params,ppl\n1e6,1.0\n", r"loss \(column 'ppl'\) is '1.0', a perplexity that is not above 1"),
        ("params,loss\n1e6,-2\n2e6,-1.9\n", "every loss is below 0: if these are log-likelihoods"),
    ],
)
def test_what_cannot_be_is_refused(read, text, sentence):
    with pytest.raises(InputError, match=sentence) as raised:
        read(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("params,tokens,loss\n1e8,2,3\n1e9,20,2\n", "tokens are 2 to 20, fewer than params: are they in billions?"),
        ("params,loss\n1.4,2\n6.9,1.8\n", "params are 1.4 to 6.9, not all whole: are they in millions?"),
        ("params,tokens,flops,loss\n1e8,1e9,1e3,2\n", "flops are 1.7e-15 times 6 N D"),
        ("params,loss\n1e6,25\n2e6,20\n",
         "loss is above 12.6 nats, a guess among 300,000 tokens (no tokenizer has more), in "
         "lines 2, 3: such runs diverged, or losses are in another unit (--loss-unit bits or ppl)"),
        ("params,vocab_size,loss\n1e6,90,5\n2e6,90,3\n",
         "loss is above 4.5 nats, a guess among 90 tokens ('vocab_size'), in "
         "line 2:"),
        ("params,loss,bits_per_char\n1e6,2.5,2.5\n2e6,2.0,2.0\n", "loss is in bits, as 'bits_per_char' beside it "
         "tells: --loss-unit bits makes it nats"),
        ("params,loss,ppl\n1e6,3,8\n2e6,2,4\n", "loss is in bits, as 'ppl' beside it tells"),
        ("params,loss,val ppl\n1e6,8,8\n2e6,4,4\n", "loss is in ppl, as 'val ppl' beside it tells"),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_told(read, text, sentence):
    assert [note for note in read(text)[1] if note.startswith(sentence)]


@pytest.mark.parametrize(
    "text",
    [
        "params,loss\n10000,6.767\n20000,5.305\n",  # perplexities or nats: nothing tells
        "params,loss,ppl\n1e6,2.0794,8\n2e6,1.3863,4\n",  # nats beside their perplexity
        "params,loss,bits_per_char\n1e6,1.7329,2.5\n2e6,1.3863,2.0\n",
        "params,loss,ppl\n1e6,2.5,0\n2e6,2,nan\n",
        "params,vocab_size,loss\n1e6,300,5\n2e6,,3\n",
        "params,tokens,flops,loss\n1e6,2e7,1.9e14,2\n",
    ],
)
def test_what_may_be_right_is_not_told(read, text):
    assert read(text)[1] == []


def test_units_in_headings_scale_amounts(read):
    table, notes = read("Params (M),tokens_b,loss\n70,1.5,3\n160,300M,2.8\n")
    assert table["params"].tolist() == [7e7, 1.6e8]
    assert table["tokens"].tolist() == [1.5e9, 3e8]
    assert "params such as '70' are read as 70000000" in notes
    assert read("params_m,loss\n13824000,2\n")[0]["params"].iloc[0] == 13824000  # already whole numbers of them
