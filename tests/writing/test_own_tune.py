"""A model goes on from a tune that a musician brings, ABC or MIDI."""

import pytest

from tests.conftest import command
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.tokenizer import CharTokenizer
from workflow.scripts.writing.programs import Abc2midi
from workflow.scripts.writing.prompts import own_tune

TOKENIZER = CharTokenizer("\n !\"#%&'()+,-./0123456789:<=>ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~")
HEADER = "X:1\nT:A Reel\nM:2/4\nL:1/8\nK:D\n"


@pytest.fixture
def brought(tmp_path):
    """What a model is given of a file."""

    def read(text: str) -> str:
        path = tmp_path / "my.abc"
        path.write_text(text, encoding="utf-8")
        return own_tune(path, TOKENIZER)

    return read


def test_it_is_cleaned_as_a_corpus_is_and_its_end_is_opened(brought):
    text = (
        "%%scale 0.7\nX: 3\nT: Ä Reel\nC: me\nM: 2/4\nL: 1/8 % short\nK: D\nDF AF|GE D2|]\nw: la la\n\nX:4\nK:C\nC|\n"
    )
    assert brought(text) == HEADER + "DF AF|GE D2|\n"


@pytest.mark.parametrize(
    ("ends", "becomes"),
    [("GE D2 ||", "GE D2 |\n"), ("GE D2:|", "GE D2:|\n"), ("GE D2|\n\n", "GE D2|\n"), ("GE D", "GE D")],
)
def test_only_a_bar_line_that_ends_it_is_changed(brought, ends, becomes):
    assert brought(f"{HEADER}DF AF|{ends}") == f"{HEADER}DF AF|{becomes}"


def test_it_needs_no_number_but_a_note(brought):
    assert brought("M:2/4\nK:D\nDF|") == "X:1\nM:2/4\nK:D\nDF|\n"
    for silent in ("", "Dear reader,\nthis is no tune.\n", "X:1\nK:C\nz4|\n"):
        with pytest.raises(InputError, match=r"my\.abc holds no tune with a note"):
            brought(silent)


def test_a_damaged_midi_file_is_refused(tmp_path):
    (tmp_path / "my.mid").write_bytes(b"MThd\0\0\0\6garbage")
    with pytest.raises(InputError, match=r"my\.mid: "):
        own_tune(tmp_path / "my.mid", TOKENIZER)


def test_midi_is_converted(tmp_path):
    with Abc2midi(10) as abc2midi:
        abc2midi.judge(f"{HEADER}DF AF|GE D2|]\n", tmp_path / "my.mid")
    tune = own_tune(tmp_path / "my.mid", TOKENIZER)
    assert tune.startswith("X:1\n")
    assert tune.endswith("K:D\nD2 F2 A2 F2| G2 E2 D4|\n")


def test_sample_goes_on_from_it(trained, tmp_path):
    path = tmp_path / "my.abc"
    path.write_text(f"{HEADER}DF AF|GE D2|]\n")
    where = ["--checkpoint_dir", trained["lstm"], "--output_dir", tmp_path / "out"]
    ran = command("sample", *where, "--continue", path, "--num_samples", 1, "--max_new_tokens", 20)
    assert ran.returncode == 0, ran.stderr
    (written,) = (tmp_path / "out").glob("*.abc")
    text = written.read_text()
    assert text.startswith(f"{HEADER}DF AF|GE D2|\n")
    assert len(text) > len(f"{HEADER}DF AF|GE D2|\n") + 10
