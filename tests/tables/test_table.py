"""Tables of anybody's runs are read, and what is wrong with a row is said with its line."""

import csv

import numpy as np
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.table import read_table

HEAD = "arch,size,params,tokens,unique_tokens,flops,loss,seed"


def test_the_columns_of_the_interface(read):
    table, notes = read(f"{HEAD}\ngpt,tiny,100,1e6,5e5,6e8,2.5,0\nlstm,big,200,1e6,,1.2e9,2.25,1\n")
    assert notes == []
    assert table["arch"].tolist() == ["gpt", "lstm"]
    assert table["size"].tolist() == ["tiny", "big"]
    assert table["params"].tolist() == [100, 200]
    assert table["loss"].tolist() == [2.5, 2.25]
    assert table["unique_tokens"].tolist() == [5e5, 1e6]  # all of them where that is not given
    assert table["flops"].tolist() == [6e8, 1.2e9]
    assert table["seed"].tolist() == ["0", "1"]


def test_our_study_maps_onto_them():
    table, notes = read_table(ROOT / "docs/default-study/runs.csv")
    assert notes == []
    row = table[(table["size"] == "gpt_tiny") & (table["tokens"] == 1048576) & (table["seed"] == "0")].iloc[0]
    assert row["params"] == 13824  # outside the embedding, not all
    with open(ROOT / "docs/default-study/runs.csv", encoding="utf-8") as file:
        written = next(
            line for line in csv.DictReader(file) if (line["model"], line["tokens"]) == ("gpt_tiny", "1048576")
        )
    assert (row["loss"], row["loss_se"]) == (float(written["test_loss"]), float(written["test_loss_se"]))
    assert row["unique_tokens"] == 1048576
    assert row["flops"] == 141331267584
    assert "learning_rate" in table  # kept, though no law asks for it


def test_names_of_runs_csv_map_onto_them(read):
    table, _ = read(
        "model,arch,n_layer,params,params_non_embedding,tokens,unique_tokens,flops,seed,val_loss,test_loss,test_loss_se\n"
        "gpt_tiny,gpt,2,16320,13824,131072,131072,17666408448,0,2.1,2.05,0.02\n"
    )
    row = table.iloc[0]
    assert (row["size"], row["params"], row["loss"], row["loss_se"]) == ("gpt_tiny", 13824, 2.05, 0.02)
    assert row["flops"] == 17666408448


def test_pairs_of_optima_map_onto_them(read):
    table, notes = read("config,flops,n_star,n_star_logstd,tok_star,loss_star\nx,6e9,100,0.1,1e7,3\n", group="config")
    row = table.iloc[0]
    assert (row["params"], row["tokens"], row["loss"], row["params_log_se"]) == (100, 1e7, 3, 0.1)
    assert notes == []


def test_flops_and_tokens_are_computed_from_each_other(read):
    table, notes = read("params,tokens,loss\n100,1e6,2\n")
    assert table["flops"].tolist() == [6e8]
    assert notes == ["flops are not given: 6 N D is taken for them"]
    table, notes = read("params,flops,loss\n100,6e8,2\n")
    assert table["tokens"].tolist() == [1e6]
    assert notes == ["tokens are not given: C / (6 N) is taken for them"]
    assert read("params,tokens,flops,loss\n100,,6e8,2\n")[0]["tokens"].tolist() == [1e6]


def test_params_and_loss_are_enough(read):
    table, notes = read("params,loss\n1234567,2\n")
    row = table.iloc[0]
    assert (row["arch"], row["size"], row["seed"]) == ("all", "1.235e+06", "")
    assert np.isnan(row[["tokens", "flops", "loss_se"]].astype(float)).all()
    assert notes == []


def test_a_byte_order_mark_spaces_and_windows_lines_are_read(read):
    table, _ = read(b"\xef\xbb\xbfarch , params, loss\r\ngpt, 1 ,2 \r\n")
    assert (table["arch"].iloc[0], table["params"].iloc[0], table["loss"].iloc[0]) == ("gpt", 1, 2)


def test_extra_columns_are_kept(read):
    table, _ = read('arch,params,loss,note\ngpt,1,2,"a, b"\n')
    assert table["note"].tolist() == ["a, b"]


def test_cells_that_need_not_be_filled(read):
    """Seed, size, unique tokens and loss_se may be given for some rows only."""
    table, _ = read("arch,size,params,tokens,unique_tokens,loss,seed,loss_se\ngpt,,10,9,4,2,,\ngpt,s,20,9,,1,1,0.1\n")
    assert table["size"].tolist() == ["10", "s"]
    assert table["unique_tokens"].tolist() == [4, 9]
    assert np.isnan(table["loss_se"].iloc[0])
    assert table["loss_se"].iloc[1] == 0.1
    assert np.isnan(read("params,loss,test_loss_se\n1,2,0\n2,2,\n")[0]["loss_se"].iloc[1])


def test_unique_tokens_are_no_more_than_those_read(read):
    table, _ = read("params,tokens,unique_tokens,loss\n1,5,9,2\n")
    assert table["unique_tokens"].tolist() == [5]


def test_a_standard_error_may_be_zero_but_not_negative(read):
    assert read("params,loss,loss_se\n1,2,0\n")[0]["loss_se"].tolist() == [0]
    with pytest.raises(InputError, match=r"line 2: loss_se is '-1', not a number of at least 0"):
        read("params,loss,loss_se\n1,2,-1\n")


def test_each_bad_row_is_one_line_with_its_number(read):
    """A byte order mark, blank lines and a cell of two lines do not shift the numbers."""
    text = (
        '\ufeffarch,params,loss,note\ngpt,1,2,"two\nlines"\n\ngpt,2,nan,\ngpt,-3,1,\n ,4,1,\ngpt,5,0,\ngpt,six,,\n'
        "gpt,7,1,\ngpt,8,inf,\n"
    )
    with pytest.raises(InputError) as raised:
        read(text)
    lines = str(raised.value).split("\n")
    wanted = [
        "line 5: loss is 'nan', not a positive number",
        "line 6: params is '-3', not a positive number",
        "line 7: arch is empty",
        "line 8: loss is '0', not a positive number",
        "line 9: params is 'six', not a positive number; loss is '', not a positive number",
        "line 11: loss is 'inf', not a positive number",
    ]
    assert [line.split("t.csv ")[1] for line in lines] == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("arch,params,loss\n", "has no rows"),
        ("arch,params,loss\n\n  \n", "has no rows"),
        ("arch,params\ngpt,1\n", "has no column 'loss'"),
        ("arch,loss\ngpt,1\n", "has no column 'params'"),
        ("arch,params,loss\ngpt,1\n", "line 2: 2 cells under 3 headings"),
        ("arch,params,loss\ngpt,1,2\n\ngpt,1,2,3\n", "line 4: 4 cells under 3 headings"),
        ("arch,params,loss,tokens\ngpt,1,2,5\ngpt,1,2,\n", "line 3: tokens is '', not a positive number"),
        ("arch,params,loss,tokens\ngpt,1,2,0\n", "line 2: tokens is '0', not a positive number"),
        ("arch,params,loss,flops\ngpt,1,2,a\n", "line 2: flops is 'a', not a positive number"),
        ("params,loss,flops\n1,2,10\n2,2,\n", "line 3: flops is '', not a positive number"),
        ("params,loss,tokens\n1,2,10\n2,2,nan\n", "line 3: tokens is 'nan', not a positive number"),
        (b"params,loss\n\x00,2\n", "params is"),
        ('arch,params,loss\n"gpt,1,2\n', "not readable as CSV"),
        (b"arch,params,loss\ngpt,1,\xff\n", "not readable as CSV"),
    ],
)
def test_a_table_that_is_none(read, text, sentence):
    with pytest.raises(InputError) as raised:
        read(text)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_column_of_groups_must_be_there(read):
    with pytest.raises(InputError, match="has no column 'corpus'"):
        read("arch,params,loss\ngpt,1,2\n", group="corpus")
    assert read("corpus,params,loss\nirish,1,2\n", group="corpus")[0]["corpus"].tolist() == ["irish"]


def test_headings_given_twice_are_refused(read):
    """Of two columns of one name one would be lost without a word."""
    with pytest.raises(InputError, match="params"):
        read("arch,params,params,loss\ngpt,1,2,3\n")


def test_identical_rows_are_one_run(read):
    twice = "100,0,2.5\n200,0,2.25\n100,0,2.5\n100,1,2.5\n"
    table, notes = read(f"params,seed,loss\n{twice}")
    assert list(zip(table["params"], table["seed"], strict=True)) == [(100, "0"), (200, "0"), (100, "1")]
    assert notes == ["rows alike in every cell are one run: 1 are left out (line 4)"]
    table, notes = read("i,params,loss\n1,100,2.50123\n2,100,2.50123\n".replace("i,", ",", 1))  # but for an index
    assert len(table) == 1
    assert table.index.tolist() == [0]


def test_losses_of_few_digits_may_be_two_runs(read):
    table, notes = read("params,loss\n100,2.501\n100,2.501\n200,2.2\n")
    assert len(table) == 3
    assert notes == ["rows alike in every cell are kept as runs of their own, as they have no seed (line 3)"]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "Infinity", "-", "N/A", "diverged", "OOM"])
def test_a_run_without_a_loss_is_left_out_and_told(read, cell):
    table, notes = read(f"params,loss,note\n1,2,\n2,{cell},x\n3,1.5,\n")
    assert table["params"].tolist() == [1, 3]
    assert table.index.tolist() == [0, 1]
    assert notes == ["runs without a loss are left out, as if they had diverged: 1 (line 3)"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("params,loss\n1,2\n2,nan\n3,\n", 2),  # most: this is no column of losses
        ("params,loss\n1,2\n2,nan\nx,3\n4,5\n", 2),  # with anything else wrong, all is told
        ("params,loss\n1,2\n2,two\n3,4\n", 1),
        ("params,loss\n1,2\nnan,2\n3,4\n", 1),
    ],
)
def test_other_rows_without_a_loss_are_refused(read, text, sentences):
    with pytest.raises(InputError) as raised:
        read(text)
    assert str(raised.value).count("not a positive number") == sentences


def test_a_column_that_was_guessed_is_done_without(read):
    table, notes = read("params,D,loss\n1,20,2\n2,,1.5\n")
    assert table["tokens"].isna().all()
    assert "tokens are taken as unknown: tokens (column 'D') is '', not a positive number (line 3)" in notes
    for told in (
        {"text": "params,tokens,loss\n1,20,2\n2,,1.5\n"},
        {"text": "params,D,loss\n1,,2\n2,3,1\n", "given": {"tokens": "D"}},
    ):
        with pytest.raises(InputError, match="tokens"):
            read(**told)
    with pytest.raises(InputError, match=r"line 2: params \(column 'N'\) is 'x', not a positive number"):
        read("N,loss\nx,2\n3,1\n")


def test_of_many_bad_rows_the_first_are_listed(read):
    with pytest.raises(InputError) as raised:
        read("params,loss\n" + "x,1\n" * 30)
    lines = str(raised.value).split("\n")
    assert len(lines) == 21
    assert lines[-1] == "and so in 10 more rows"


def test_three_seeds_that_differ_by_a_bias_are_one_size(read):
    rows = "".join(f"{arch},{n + seed * n // 300},{2 - n / 2e4:.5f}{seed},{seed}\n"
                   for arch in ("a", "b") for n in (3000, 6000, 12000) for seed in range(3))  # fmt: skip
    table, notes = read(f"arch,params,loss,seed\n{rows}")
    assert table.groupby("arch")["params"].nunique().tolist() == [3, 3]
    assert table["params"].min() == pytest.approx((3000 * 3010 * 3020) ** (1 / 3))
    assert table["size"].nunique() == 3
    assert notes == ["sizes within 1% of each other are one size: 18 are 6"]
    table, notes = read(f"size,params,loss,seed\n{rows}")  # sizes of other names are others, and joined each
    assert table.groupby("size")["params"].nunique().tolist() == [3, 3]
    assert read("model,params,loss\nshort,1000,2\nwide,1005,2\n")[0]["params"].tolist() == [1000, 1005]


def test_other_units_and_columns_can_be_told(read):
    table, notes = read("a/N,x=y,loss\n100,4,9\n200,2.5,9\n", given={"params": "a/N", "loss": "x=y"}, loss_unit="ppl")
    assert table["params"].tolist() == [100, 200]
    assert table["loss"].to_numpy() == pytest.approx(np.log([4, 2.5]))
    assert notes == ["losses are perplexities: their logarithms, in nats, are fitted"]
    with pytest.raises(InputError, match="'nits', not one of nats, bits, ppl"):
        read("params,loss\n1,2\n", loss_unit="nits")


def test_columns_that_must_be_there_are_those_of_the_file(read):
    with pytest.raises(InputError, match=r"has no column 'params'$"):
        read("num_params,loss\n1,2\n", columns=("params", "loss"))


def test_the_column_of_groups_stands_for_nothing_else(read):
    table, _ = read("model,params,loss\ngpt,1,2\nlstm,2,1\n", group="model")
    assert table["model"].tolist() == ["gpt", "lstm"]
    assert table["size"].tolist() == ["1", "2"]


# What each file of shared/reports/fit is: words of its notes, or of the sentence that refuses it.
SHARED = {
    "bits.csv": "loss from 'bits_per_char'", "bits2.csv": "in bits", "bothlosses.csv": "from 'test_loss', not 'loss'",
    "case.csv": "params from 'Params'; loss from 'Loss'", "comment.csv": "params from '# params'",
    "decimalcomma.csv": "decimal points", "diverged.csv": "1 (line 7)", "dup.csv": "6 are left out",
    "dupall.csv": "12 are left out", "inf.csv": "1 (line 6)", "nan.csv": "2 (lines 5, 6)",
    "paramsfloat.csv": "18 are 6", "ppl.csv": "perplexities", "thousands.csv": "'10,000' are read as 10000",
    "unique_more.csv": "unique_tokens are more", "units.csv": "'10K' are read as 10000",
    "valtest.csv": "from 'test_loss', not 'val_loss'",
}  # fmt: skip
REFUSED = {
    "emptyarch.csv": "line 8: arch is empty", "hugeparams.csv": "line 2: params is", "neg.csv": "every loss is below 0",
    "semicolonheaderonly.csv": "has no rows", "swapped.csv": "look swapped",
}  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_tables_that_users_reported(shared):
    files = sorted((shared / "reports" / "fit").iterdir())
    assert {path.name for path in files} >= SHARED.keys() | REFUSED.keys()
    for path in files:
        if path.name in REFUSED:
            with pytest.raises(InputError, match=REFUSED[path.name]):
                read_table(path)
            continue
        table, notes = read_table(path)
        assert SHARED.get(path.name, "") in " ".join(notes), path.name
        if path.name not in SHARED:
            assert set(notes) <= {"flops are not given: 6 N D is taken for them"}, path.name
        good = path.name in {"bits.csv", "bits2.csv", "ppl.csv", "decimalcomma.csv", "tab.tsv", "utf16.csv", "bom.csv"}
        assert not good or table["loss"].iloc[0] == pytest.approx(1.912129841885786)
