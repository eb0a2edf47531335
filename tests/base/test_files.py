"""Files that are written whole or not at all."""

import os

import pytest

from tests.conftest import on_a_full_disk
from workflow.scripts.base import files
from workflow.scripts.base.errors import InputError


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    files.write_text(path, "old")

    def fail_half_way():
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "big.txt"
    path.write_text("old")
    done = on_a_full_disk(f"files.write_text({str(path)!r}, 'x' * 5000)", 1000)
    assert done.returncode == 1
    assert done.stderr == "error: File too large\n"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["big.txt"]


def test_a_folder_is_no_file_to_write(tmp_path):
    for path in (tmp_path, "."):
        with pytest.raises(IsADirectoryError):
            files.write_text(path, "x")
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_nan_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_broken_json_is_one_sentence(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x\.json is not readable as JSON"):
        files.read_json(tmp_path / "x.json")
