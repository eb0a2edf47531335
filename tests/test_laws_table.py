"""Tables of runs: ours and other people's, and what is said of each row that cannot be used."""

import numpy as np
import pytest

from tests.conftest import ROOT
from workflow.scripts.cli import InputError
from workflow.scripts.laws.table import read_table


def read(tmp_path, text, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, **options)


def test_runs_csv_maps_onto_it():
    table, notes = read_table(ROOT / "docs/default-study/runs.csv")
    assert notes == []
    row = table[(table["size"] == "gpt_tiny") & (table["tokens"] == 1048576) & (table["seed"] == "0")].iloc[0]
    assert row["params"] == 13824  # outside the embedding, not all
    assert row["loss"] == pytest.approx(1.681529803)
    assert row["loss_se"] == pytest.approx(0.01642943)
    assert row["unique_tokens"] == 1048576
    assert row["flops"] == 141331267584
    assert "learning_rate" in table  # kept, though no law asks for it


def test_published_names_map_onto_it(tmp_path):
    table, notes = read(
        tmp_path, "config,flops,n_star,n_star_logstd,tok_star,loss_star\na,6e3,10,0.1,100,2\n", group="config"
    )
    assert table[["params", "tokens", "loss", "params_log_se"]].iloc[0].tolist() == [10, 100, 2, 0.1]
    assert notes == []


def test_tokens_and_flop_come_from_each_other_with_a_note(tmp_path):
    table, notes = read(tmp_path, "params,loss,tokens\n10,2,100\n")
    assert table["flops"].tolist() == [6000]
    assert notes == ["flops are not given: 6 N D is taken for them"]
    table, notes = read(tmp_path, "params,loss,flops,tokens\n10,2,6000,\n")
    assert table["tokens"].tolist() == [100]
    assert notes == ["tokens are not given: C / (6 N) is taken for them"]


def test_without_architecture_all_are_one_group(tmp_path):
    assert read(tmp_path, "params,loss\n10,2\n")[0]["arch"].tolist() == ["all"]
    with pytest.raises(InputError, match="has no column 'kind'"):
        read(tmp_path, "params,loss\n10,2\n", group="kind")


def test_unique_tokens_may_be_told_for_some_and_are_no_more_than_were_read(tmp_path):
    table, _ = read(tmp_path, "params,loss,tokens,unique_tokens\n1,2,100,10\n2,2,100,\n3,2,100,1000\n")
    assert table["unique_tokens"].tolist() == [10, 100, 100]


def test_an_unknown_error_of_the_loss_is_no_fault_and_a_negative_one_is(tmp_path):
    table, _ = read(tmp_path, "params,loss,test_loss_se\n1,2,0\n2,2,\n")
    assert np.isnan(table["loss_se"].iloc[1])
    with pytest.raises(InputError, match="line 2: loss_se is '-1', not a number of at least 0"):
        read(tmp_path, "params,loss,loss_se\n1,2,-1\n")


def test_each_bad_row_has_a_line_with_its_number(tmp_path):
    """Also after empty lines, a byte order mark, spaces and a cell of two lines."""
    text = b'\xef\xbb\xbfarch, params ,loss,note\ngpt,1,2,"two\nlines"\n\ngpt,-1,2,\n ,inf,2,\n\ngpt,3,,\n'
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    said = [line.split("t.csv ")[1] for line in str(caught.value).splitlines()]
    assert said == [
        "line 5: params is '-1', not a positive number",
        "line 6: arch is empty; params is 'inf', not a positive number",
        "line 8: loss is '', not a positive number",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("params,loss\n1\n", "line 2: 1 cells under 2 headings"),
        ("params,loss\n1,2,3\n", "line 2: 3 cells under 2 headings"),
        (b"params,loss\n\xff,2\n", "is not readable as CSV"),
        (b"params,loss\n\x00,2\n", "params is"),
        ('params,loss\n"1,2\n', "is not readable as CSV"),
        ("\n\n", "is not readable as CSV"),
        ("params,loss,flops\n1,2,10\n2,2,\n", "line 3: flops is '', not a positive number"),
        ("params,loss,tokens\n1,2,10\n2,2,nan\n", "line 3: tokens is 'nan', not a positive number"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
