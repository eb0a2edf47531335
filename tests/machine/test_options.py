"""The flags of where a command computes."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from workflow.scripts.base import cli
from workflow.scripts.machine.options import PRECISIONS, add_machine_flags


def parse(*words: str, precision: bool = False) -> dict[str, object]:
    parser = cli.parser("Compute.")
    add_machine_flags(parser, precision)
    return vars(parser.parse_args(words))


def test_a_command_computes_where_it_can_unless_it_is_asked_otherwise():
    usual = {"device": "auto", "vram_mb": 0, "threads": os.cpu_count()}
    assert parse() == usual
    assert parse(precision=True) == usual | {"precision": "auto"}
    asked = ["--device", "cuda:1", "--vram_mb", "800", "--threads", "3", "--precision", "bfloat16"]
    assert parse(*asked, precision=True) == {"device": "cuda:1", "vram_mb": 800, "threads": 3, "precision": "bfloat16"}
    for name in PRECISIONS:
        assert parse("--precision", name, precision=True)["precision"] == name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--vram_mb -1", "argument --vram_mb: -1 is not a whole number of at least 0"),
        ("--threads 0", "argument --threads: 0 is not a positive whole number"),
        ("--precision float16", "argument --precision: invalid choice: 'float16'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit):
        parse(*words.split(), precision=True)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("precision", "flags"),
    [(False, ["--device", "--vram_mb", "--threads"]), (True, ["--device", "--precision", "--vram_mb", "--threads"])],
)
def test_precision_comes_between_device_and_memory(precision, flags):
    parser = cli.parser("Compute.")
    add_machine_flags(parser, precision)
    words = parser.format_usage().replace("[", " ").split()
    assert [word for word in words if word.startswith("--")] == flags


def test_flags_need_no_torch():
    code = "import sys, workflow.scripts.machine.options; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
