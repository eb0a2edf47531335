import os
from pathlib import Path

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.places import folder_of, refuse_unwritable


def test_home_and_variables_are_replaced(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    names = {"": "", "data": "data", "~/big": "/home/me/big", "$SCRATCH/a//b/": "/scratch/me/a/b", "../up": "../up"}
    assert {name: folder_of(name, "data_dir") for name in names} == names


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("$NOWHERE_AT_ALL/a", "work_dir is '$NOWHERE_AT_ALL/a', and NOWHERE_AT_ALL is not set in the environment"),
        ("${NOWHERE_AT_ALL}", "work_dir is '${NOWHERE_AT_ALL}', and NOWHERE_AT_ALL is not set in the environment"),
        ("a/{b}", "work_dir is 'a/{b}': a folder of the workflow may have no { in its name"),
    ],
)
def test_what_is_no_folder_of_a_workflow_is_one_sentence(name, sentence):
    with pytest.raises(InputError) as error:
        folder_of(name, "work_dir")
    assert str(error.value) == sentence


def test_a_folder_that_can_be_made_or_written_to_is_accepted_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in (str(tmp_path), str(tmp_path / "a" / "b"), "c/d"):
        refuse_unwritable(folder, "work_dir")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("file", "dangling"):
        with pytest.raises(InputError, match=rf"work_dir is \S*/{name}/b: \S*/{name} is no folder"):
            refuse_unwritable(str(tmp_path / name / "b"), "work_dir")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    """Also where root runs the tests, to whom no folder of a disk is closed."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match=r"^data_dir is \S+, which cannot be written to$"):
        refuse_unwritable(str(tmp_path), "data_dir")
    with pytest.raises(InputError, match=r"^data_dir is \S+/a/b, which cannot be made, as \S+ cannot be written to$"):
        refuse_unwritable(str(tmp_path / "a" / "b"), "data_dir")
