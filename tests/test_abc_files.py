import gzip
import os
import zipfile

import pytest

from workflow.scripts import abc_files
from workflow.scripts.abc_files import Rejected, Tune, decode, read_tunes, split_tunes
from workflow.scripts.cli import InputError

TUNE = "X:1\nT:One\nK:G\nGABc d2e2|\n"


def test_music21_corpus_is_whole(shared):
    listed = (shared / "corpora" / "music21_abc_files.tsv").read_text().splitlines()[1:]
    counts = [line.split("\t")[1] for line in listed]
    tunes = list(read_tunes("music21"))
    assert len(abc_files.list_files(abc_files.root_of("music21"))) == len(listed) == 1146
    assert len(tunes) == sum(map(int, counts)) == 12978
    assert all(isinstance(tune, Tune) for tune in tunes)


def test_tunes_of_a_file_are_where_they_say_they_are():
    text = "% a book\n\nX:1\nT:One\nK:G\nGABc|\n\nfree text\n\nX:2\nK:D\n\nDEFG|\n"
    tunes = list(split_tunes(text, "book.abc"))
    assert [tune.text for tune in tunes] == ["X:1\nT:One\nK:G\nGABc|", "X:2\nK:D\n\nDEFG|"]
    for tune in tunes:
        assert text[tune.offset : tune.offset + tune.chars] == tune.text
        assert text.split("\n")[tune.line - 1].startswith("X:")


def test_an_empty_line_in_the_header_does_not_end_a_tune():
    (tune,) = split_tunes("X:1\nT:One\n\nM:4/4\nK:G\nGABc|\nGABc|\n\ntext\n", "a.abc")
    assert tune.text.endswith("GABc|\nGABc|")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("X:1\nT:Préludé\n".encode("utf-16"), "X:1\nT:Préludé\n"),
        (b"T:Don\x92t \x96 caf\xe9", "T:Don’t – café"),
        (b"\xef\xbb\xbfX:1\r\nK:G\r\n", "X:1\nK:G\n"),
        (b"X:1\rK:G\r", "X:1\nK:G\n"),
        ("T:Préludé".encode("latin-1"), "T:Préludé"),
        ("T:Préludé".encode(), "T:Préludé"),
        ("T:Préludé".encode().decode("latin-1").encode(), "T:Préludé"),  # encoded twice
        ("N:eingeführt".encode("cp437").decode("latin-1").encode(), "N:eingeführt"),  # as in music21's Essen files
    ],
)
def test_encodings_are_repaired(data, text):
    assert decode(data) == text


def test_any_depth_and_archives(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.abc").write_text(TUNE)
    (tmp_path / "a" / "zipped.abc.gz").write_bytes(gzip.compress(TUNE.encode()))
    with zipfile.ZipFile(tmp_path / "book.zip", "w") as archive:
        archive.writestr("in/side.abc", TUNE)
        archive.writestr("readme.txt", "no tune")
    (tmp_path / "other.txt").write_text(TUNE)
    paths = [tune.path for tune in read_tunes(str(tmp_path))]
    assert paths == ["a/b/deep.abc", "a/zipped.abc.gz", "book.zip/in/side.abc"]


def test_bad_files_are_named_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(abc_files, "MAX_FILE_BYTES", 10_000)
    (tmp_path / "good.abc").write_text(TUNE)
    (tmp_path / "bomb.abc.gz").write_bytes(gzip.compress(b"X:1\n" * 100_000))
    (tmp_path / "cut.abc.gz").write_bytes(gzip.compress(TUNE.encode())[:-9])
    (tmp_path / "no.zip").write_bytes(b"PK no archive")
    (tmp_path / "prose.abc").write_text("Dear diary")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("readme.txt", "no tune")
    (tmp_path / os.fsdecode(b"na\xefve.abc")).write_text(TUNE)
    found = {item.path: item for item in read_tunes(str(tmp_path))}
    assert isinstance(found["good.abc"], Tune)
    assert isinstance(found["na\ufffdve.abc"], Tune)
    assert {path: item.reason for path, item in found.items() if isinstance(item, Rejected)} == {
        "bomb.abc.gz": "unreadable",
        "cut.abc.gz": "unreadable",
        "no.zip": "unreadable",
        "notes.zip": "unreadable",
        "prose.abc": "no_tune",
    }


def test_a_missing_folder_is_one_sentence():
    with pytest.raises(InputError, match="no such file or folder"):
        list(read_tunes("/nowhere"))
