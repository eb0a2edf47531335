"""A tune as a picture for a page that runs no script."""

import shutil
from xml.etree import ElementTree

import pytest

from tests.gallery.conftest import AIR, HOSTILE
from workflow.scripts import engrave
from workflow.scripts.base.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"
needs_abcm2ps = pytest.mark.skipif(not shutil.which("abcm2ps"), reason="needs abcm2ps")


@needs_abcm2ps
def test_a_tune_of_a_book_becomes_a_picture(tmp_path):
    (tmp_path / "book.abc").write_text(f"{HOSTILE}\n{AIR}")
    for name in ("one.svg", "two.svg"):
        engrave.main(["--book", str(tmp_path / "book.abc"), "--tune", "2", "--output", str(tmp_path / name)])
    picture = (tmp_path / "one.svg").read_text()
    assert picture == (tmp_path / "two.svg").read_text()
    root = ElementTree.fromstring(picture)
    assert root.find(f"{SVG}rect").attrib["fill"] == "white"
    assert "An Air" in "".join(root.itertext())


@needs_abcm2ps
def test_what_a_model_wrote_does_nothing_in_it():
    root = ElementTree.fromstring(engrave.picture(HOSTILE))
    assert {element.tag for element in root.iter()} & {f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject"} == set()
    assert "harm.abc" not in "".join(root.itertext())


def test_a_tune_that_is_not_there_is_named(tmp_path):
    (tmp_path / "book.abc").write_text(AIR)
    with pytest.raises(InputError, match=r"book\.abc holds 1 tunes, not 2"):
        engrave.main(["--book", str(tmp_path / "book.abc"), "--tune", "2", "--output", str(tmp_path / "x.svg")])
