"""What LaTeX takes in is what was written."""

from workflow.scripts.base.latex import LETTERS, escape, tabular
from workflow.scripts.base.tables import Cells


def test_letters_that_mean_something_to_latex_are_escaped():
    assert escape("50% of gpt_xl & N^α × 2 \\ ~") == (
        r"50\% of gpt\_xl \& N\textasciicircum{}\(\alpha\) \(\times\) 2 \textbackslash{} \textasciitilde{}"
    )
    assert all(escape(letter) != letter for letter in LETTERS)


def test_a_table_has_a_line_for_each_row_and_a_column_for_each_name():
    table = tabular(["a", "b_c"], [["x", "1%"], ["y", "2"]])
    assert table.splitlines() == [
        r"\begin{tabular}{lr}", r"\toprule", r"a & b\_c \\", r"\midrule", r"x & 1\% \\", r"y & 2 \\", r"\bottomrule",
        r"\end{tabular}",
    ]  # fmt: skip


def test_a_table_is_written_in_three_forms(tmp_path):
    Cells(["a", "b"], [["x", "1,2"]]).write(tmp_path / "t")
    assert (tmp_path / "t.csv").read_text() == 'a,b\nx,"1,2"\n'
    assert (tmp_path / "t.md").read_text() == "| a | b |\n| --- | --- |\n| x | 1,2 |\n"
    assert r"x & 1,2 \\" in (tmp_path / "t.tex").read_text()
