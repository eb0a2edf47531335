"""What is kept of a finished result."""

from workflow.scripts.base.kept import give_back, keep


def test_what_is_kept_comes_back_whole_or_not_at_all(tmp_path):
    for name in ("a.bin", "b.json"):
        (tmp_path / name).write_text(name)
    keep(tmp_path, ["a.bin", "b.json"], "one")
    assert (tmp_path / "a.bin").samefile(tmp_path / ".kept" / "a.bin")
    (tmp_path / "a.bin").unlink()
    assert not give_back(tmp_path, "another")
    assert not (tmp_path / "a.bin").exists()
    assert give_back(tmp_path, "one")
    assert (tmp_path / "a.bin").read_text() == "a.bin"
    (tmp_path / "a.bin").unlink()
    (tmp_path / ".kept" / "b.json").unlink()
    assert not give_back(tmp_path, "one")
    assert not (tmp_path / "a.bin").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "b.json"]
