"""What the benchmark of cleaning counts and shows, on few tunes."""

from benchmarks import cleaning, write_readme
from benchmarks.kept_music import Pair

HEAD = "X:1\nL:1/8\nK:C\n"
PAIRS = [
    Pair(f"{HEAD}cd|\n", f"{HEAD}cd|\n"),
    Pair(f"{HEAD}cd|% end\n", f"{HEAD}cd|\n"),
    Pair(f"{HEAD}cd}}|\n", f"{HEAD}cd}}|\n"),  # not legal before
    Pair(f"{HEAD}cd|\n", None),
    Pair(f"{HEAD}cd|\n", f"{HEAD}ce|\n"),
    Pair(f"{HEAD}%%MIDI program 40\ncd|\n", f"{HEAD}cd|\n"),
]


def test_tunes_are_counted_by_what_is_kept():
    counts, wrong = cleaning.judged(PAIRS)
    assert [counts[column] for column in cleaning.COLUMNS] == [6, 5, 4, 3, 4, 2]
    assert [(example.fault, example.after) for example in wrong] == [
        ("no longer legal", None),
        ("reads otherwise", f"{HEAD}ce|\n"),
        ("sounds otherwise", f"{HEAD}cd|\n"),
    ]


def test_the_table_shows_counts_and_examples():
    counts, wrong = cleaning.judged(PAIRS)
    result = {"machine": "M", "threads": 1, "torch": "t", "date": "d"} | {
        "columns": cleaning.COLUMNS,
        "kept": [{"name": "six", "seconds": 1234.5} | {column: 1000 * counts[column] for column in cleaning.COLUMNS}],
        "wrong": [example._asdict() for example in wrong[:1]],
    }
    table = write_readme.table(result)
    assert "\n| six | 6,000 | 5,000 | 4,000 | 3,000 | 4,000 | 2,000 | 1,234 s |\n" in table
    assert table.endswith(f"\nno longer legal, before and after:\n\n~~~\n{HEAD}cd|\n~~~\n\n~~~\nNone\n~~~")


def test_an_input_gives_every_tune_with_the_header_of_its_file(tmp_path, monkeypatch):
    (tmp_path / "a.abc").write_text(f"L:1/4\n\nX:1\nK:C\ncd|% c\n\n{HEAD}e|\n")
    (tmp_path / "b.abc").write_text(f"{HEAD}f|\n")
    found = list(cleaning.pairs_of_input(str(tmp_path)))
    assert [pair.after for pair in found] == ["X:1\nL:1/4\nK:C\ncd|\n", f"{HEAD}e|\n", f"{HEAD}f|\n"]
    assert [pair.before.startswith("L:1/4\n\nX:1\n") for pair in found] == [True, True, False]
    monkeypatch.setattr(cleaning, "MUTATED_TUNES", 2)
    assert cleaning.short_tunes(str(tmp_path)) == [found[0].before, found[2].before]


def test_a_row_is_of_all_batches(capsys):
    class SameProcess:
        def map(self, function, tasks):
            return (function(*task) for task in tasks)

    row, wrong = cleaning.row_of("tunes", iter([*PAIRS[:1] * 450, PAIRS[3]]), SameProcess())
    assert (row["name"], row["tunes"], row["is_valid"], row["sounds_same"], len(wrong)) == ("tunes", 451, 451, 450, 1)
    assert "tunes: tunes 451, legal before 451, legal after 450" in capsys.readouterr().out
