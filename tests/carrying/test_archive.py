"""An archive unpacks to what was put in, or to nothing."""

import io
import json
import tarfile

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.carrying import archive
from workflow.scripts.carrying.archive import Member

FILES = {"a/b.txt": b"tune\n" * 999, "c.bin": bytes(range(256)), "empty": b""}


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "c").write_bytes(FILES["c.bin"])
    members = {name: Member(data) for name, data in FILES.items()} | {"c.bin": Member(tmp_path / "c")}
    path = tmp_path / "x.tar.xz"
    assert archive.write(path, "head.json", {"study": "s"}, members, **archive.QUICK) == path.stat().st_size
    return path


def test_it_unpacks_what_was_packed_and_equal_files_make_equal_archives(packed, tmp_path):
    assert archive.read_head(packed, "head.json")["study"] == "s"
    archive.unpack(packed, "head.json", tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
    archive.unpack(packed, "head.json", tmp_path / "some", lambda name: name == "c.bin")
    assert [path.name for path in (tmp_path / "some").rglob("*")] == ["c.bin"]
    members = {name: Member(data) for name, data in FILES.items()}
    archive.write(tmp_path / "again", "head.json", {"study": "s"}, members, **archive.TEXT)
    archive.write(tmp_path / "more", "head.json", {"study": "s"}, members, **archive.TEXT)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "more").read_bytes()


def test_one_that_is_too_large_leaves_nothing(tmp_path):
    with pytest.raises(archive.TooLarge) as error:
        archive.write(tmp_path / "x", "head.json", {}, {"c": Member(bytes(9999))}, 10, **archive.QUICK)
    assert error.value.size > 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_one_that_is_cut_short_is_refused(packed, tmp_path, share):
    data = packed.read_bytes()
    packed.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"damaged, cut short or no archive|holds no head\.json"):
        archive.unpack(packed, "head.json", tmp_path / "out")


def made(path, listed, members):
    """An archive as a stranger would make it."""
    with tarfile.open(path, "w:xz") as tar:
        head = json.dumps({"files": listed}).encode()
        for name, data in [("head.json", head), *members]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("listed", "members", "said"),
    [
        ({}, [("x", b"")], "holds x, which is not in its own list"),
        ({"../x": "0"}, [("../x", b"")], r"holds \.\./x, which is not"),
        ({"/tmp/x": "0"}, [("/tmp/x", b"")], "holds /tmp/x, which is not"),
        ({"x": "0"}, [("x", b"")], "x is not what its hash says"),
        ({"x": "0"}, [], "lacks x"),
    ],
)
def test_a_stranger_s_archive_writes_nothing(tmp_path, listed, members, said):
    path = made(tmp_path / "odd.tar.xz", listed, members)
    with pytest.raises(InputError, match=said):
        archive.unpack(path, "head.json", tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if path.name == "x"] == []


def test_what_is_no_archive_of_ours_is_refused(tmp_path):
    path = made(tmp_path / "odd.tar.xz", {}, [])
    with pytest.raises(InputError, match=r"holds no other\.json"):
        archive.read_head(path, "other.json")
    path.write_text("plain")
    with pytest.raises(InputError, match="damaged, cut short or no archive"):
        archive.read_head(path, "head.json")
