"""Text of any spreadsheet becomes a header, cells and line numbers; what is no table is one sentence."""

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.rows import lines_of, read_rows

PLAIN = "params,loss\n10,2.5\n20,2.25\n"
CELLS = [["10", "2.5"], ["20", "2.25"]]


@pytest.fixture
def rows(tmp_path):
    def reader(text: str | bytes):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_rows(path)

    return reader


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-32"),
        PLAIN.encode("utf-8-sig"),
        "\n\n" + PLAIN + "\n \n",
        "# of 2024, by us\n" + PLAIN,
        "# a;b;c\n#\n\n" + PLAIN,
        "sep=,\n" + PLAIN,
        '"sep=;"\n' + PLAIN.replace(",", ";"),
        "params,loss\n10,2.5,\n20,2.25,,\n",
        '"params","loss"\n"10","2.5"\n"20","2.25"\n',
    ],
)
def test_one_table_in_many_guises(rows, text):
    found = rows(text)
    assert found.header == ["params", "loss"]
    assert found.cells == CELLS
    assert found.notes == []


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("# params,loss\n10,2.5\n20,2.25\n", ["# params", "loss"]),
        ("# by us\n#params\tloss\n10\t2.5\n20\t2.25\n", ["#params", "loss"]),
        ("# params,loss\n# in nats\n10,2.5\n20,2.25\n", ["# params", "loss"]),
        (",params,loss\n0,10,2.5\n1,20,2.25\n", ["", "params", "loss"]),
        ("params,loss,\n10,2.5,\n20,2.25\n", ["params", "loss", ""]),
    ],
)
def test_headers_that_are_comments_or_lack_names(rows, text, header):
    found = rows(text)
    assert found.header == header
    places = [place for place, name in enumerate(header) if name]
    assert [[row[place] for place in places] for row in found.cells] == CELLS


def test_lines_are_those_of_the_file(rows):
    found = rows('# a comment\n\nparams,note\n1,"two\nlines"\n\n2,\n')
    assert found.lines == [5, 7]
    assert found.cells == [["1", "two\nlines"], ["2", ""]]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("params;loss\n10;2,5\n20;2,25\n", ";"),
        ("a,b;c,d\n1;2\n3;4\n", ";"),  # two columns by semicolons in every row, by commas in the header only
        ("params\tloss, in nats\n10\t2.5\n20\t2.25\n", "\t"),
        ('arch,note\ngpt,"a; b; c"\ngpt,d;e\n', ","),
        ("loss\n1\n", ","),
    ],
)
def test_the_separator_is_that_of_header_and_rows(rows, text, separator):
    assert rows(text).separator == separator


def test_comments_and_headers_among_the_rows_are_left_out_and_told(rows):
    found = rows("params,loss\n10,2.5\n# 15,9\nparams,loss\n20,2.25\n")
    assert found.cells == CELLS
    assert found.notes == [
        "rows that begin with # are left out (line 3)",
        "the header is there again (line 4): such rows are left out",
    ]
    assert len(rows("name,loss\n#1,2\n#2,3\n").cells) == 2  # names, where all are so


def test_windows_text_is_read_and_told(rows):
    found = rows("params,loss,note\n10,2.5,Müller\n".encode("cp1252"))
    assert found.cells == [["10", "2.5", "Müller"]]
    assert found.notes == ["the table is no UTF-8: it is read as Windows-1252 (Latin-1)"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"PK\x03\x04rest", "it is a zip or Excel file"),
        (b"\x1f\x8brest", "it is a gzip file"),
        (b"PAR1rest", "it is a Parquet file"),
        (b"a,b\n1,\xff\n", "not readable as CSV"),
        (b"a,b\n\x01\xe9,2\n", "not readable as CSV"),
        (b"\xff\xfea", "not readable as CSV"),
        ("# only a comment\n", "is empty"),
        ("10000,1.9\n20000,1.8\n", "has no header: its first row is 10000, 1.9"),
        ("a,b\n1;2\n", "line 2: 1 cells under 2 headings: is it split by semicolons?"),
        ("a,b\n1 2\n", "line 2: 1 cells under 2 headings: is it split by spaces?"),
        ("a,b\n1,2,3\n", "line 2: 3 cells under 2 headings"),
        ('a,b\n"1"x,2\n', "not readable as CSV"),
        (f"a,b\n{'x' * 200_000},2\n", "not readable as CSV"),
    ],
)
def test_what_is_no_table_is_one_sentence(rows, text, sentence):
    with pytest.raises(InputError) as raised:
        rows(text)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_many_lines_are_a_few_and_a_number():
    assert lines_of([3]) == "line 3"
    assert lines_of(list(range(2, 11))) == "lines 2, 3, 4, 5, 6 and 4 more"
