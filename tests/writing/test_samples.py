import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.writing.samples import Drawn, read_samples, write_samples

TUNES = [Drawn("X:1\nK:G\n", "GABc|", False), Drawn("", "X:1\nK:C\né\n", True)]


def test_what_is_written_is_read_again(tmp_path):
    write_samples(tmp_path / "a", "gpt-seed0", TUNES)
    samples = read_samples(tmp_path / "a")
    assert [sample.path.name for sample in samples] == ["gpt-seed0-000.abc", "gpt-seed0-001.abc"]
    for sample, tune in zip(samples, TUNES, strict=True):
        text = sample.path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert text[: sample.prompt_chars] == tune.prompt
        assert text[sample.prompt_chars : sample.prompt_chars + sample.chars] == tune.written
        assert sample.ended == tune.ended


def test_tunes_are_read_in_the_order_drawn_even_past_a_thousand(tmp_path):
    write_samples(tmp_path, "gpt-seed0", [Drawn("", f"K:C\n%{k}\n", True) for k in range(1002)])
    assert [sample.path.read_text() for sample in read_samples(tmp_path)][998:] == [
        f"K:C\n%{k}\n" for k in range(998, 1002)
    ]


def test_fewer_tunes_leave_none_of_an_earlier_drawing_of_theirs(tmp_path):
    for stem in ("gpt-seed0", "gpt-seed00", "gpt[ab]-seed0", "gpta-seed0"):
        write_samples(tmp_path, stem, TUNES * 2)
    write_samples(tmp_path, "gpt-seed0", TUNES[:1])
    write_samples(tmp_path, "gpt[ab]-seed0", TUNES[:1])
    counts = {stem: len([p for p in tmp_path.iterdir() if p.name.startswith(f"{stem}-")])
              for stem in ("gpt-seed0", "gpt-seed00", "gpt[ab]-seed0", "gpta-seed0")}  # fmt: skip
    assert counts == {"gpt-seed0": 1, "gpt-seed00": 4, "gpt[ab]-seed0": 1, "gpta-seed0": 4}
    assert len(read_samples(tmp_path)) == 10


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("file,chars,ended\na.abc,3,True\n", "has no column 'prompt_chars'"),
        ("", "has no column 'file'"),
        ("file,chars,ended,prompt_chars\na.abc,3,True,0\na.abc,3,yes,0\n", "line 3: not the characters"),
        ("file,chars,ended,prompt_chars\na.abc,-3,True,0\n", "line 2: not the characters"),
        ("file,chars,ended,prompt_chars\n\na.abc,3\n", "line 3: not the characters"),
        ("file,chars,ended,prompt_chars\nb.abc,3,True,0\n", "line 2: 'b.abc' is not a file beside it"),
        ("file,chars,ended,prompt_chars\n../a.abc,3,True,0\n", "line 2: '../a.abc' is not a file beside it"),
    ],
)
def test_a_table_that_was_edited_is_one_sentence(table, sentence, tmp_path):
    (tmp_path / "a.abc").touch()
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.abc").touch()
    (tmp_path / "up" / "t.csv").write_text(table)
    with pytest.raises(InputError, match=f"t.csv.*{sentence}"):
        read_samples(tmp_path / "up")


def test_what_is_no_table_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no table of samples"):
        read_samples(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"file,chars,ended,prompt_chars\n\xff\n")
    with pytest.raises(InputError, match=r"t\.csv is not readable as CSV"):
        read_samples(tmp_path)
