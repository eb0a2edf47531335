"""A dataclass of options gives a parser its flags, and a parser's result gives the dataclass."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import MISSING, FrozenInstanceError, dataclass

import pytest

from workflow.scripts.base import cli
from workflow.scripts.base.options import add_flags, flags_of, from_args, option, to_flags


@dataclass(frozen=True, kw_only=True)
class Brew:
    """Options of each kind that a command has."""

    leaf: str = option("green", "kind of tea", group="pot", parse={"choices": ("green", "black")})
    cups: int = option(2, "how many", cli.positive_int, group="pot", taste=True, also=("--mugs",))
    minutes: Sequence[float] = option((3.0,), "to wait", cli.positive_float, taste=True, parse={"nargs": "+"})
    sugar: bool = option(False, "whether it is sweet", taste=True)
    lemon: bool = option(True, "whether it is sour")
    now: bool = option(False, "do not wait", parse={"action": "store_true"})
    guest: str = option(MISSING, "who drinks it", cli.name)
    note: str | None = option(None, "to write beside it")
    kettle: str = "iron"  # no flag


def parse(*words: str) -> Brew:
    parser = cli.parser("Make tea.")
    add_flags(parser, Brew)
    return from_args(Brew, parser.parse_args(words))


def test_the_flags_of_a_dataclass_are_its_options_in_their_order():
    assert flags_of(Brew) == ["leaf", "cups", "minutes", "sugar", "lemon", "now", "guest", "note"]
    assert flags_of(Brew, group="pot") == ["leaf", "cups"]
    assert flags_of(Brew, group="pot", taste=True) == ["cups"]
    assert flags_of(Brew, group="cup") == []


def test_what_is_not_given_has_the_default_of_its_field():
    assert parse("--guest", "Ada") == Brew(guest="Ada")
    with pytest.raises(FrozenInstanceError):
        parse("--guest", "Ada").cups = 3


def test_what_is_given_is_checked_and_made_what_the_field_says():
    given = "--leaf black --cups 3 --minutes 1 2.5 --sugar yes --lemon False --now --guest Ada --note 7"
    assert parse(*given.split()) == Brew(
        leaf="black", cups=3, minutes=[1.0, 2.5], sugar=True, lemon=False, now=True, guest="Ada", note="7"
    )
    assert parse("--mugs", "4", "--guest", "Ada").cups == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "the following arguments are required: --guest"),
        ("--guest Ada --leaf red", "argument --leaf: invalid choice: 'red'"),
        ("--guest Ada --cups 0", "argument --cups/--mugs: 0 is not a positive whole number"),
        ("--guest Ada --minutes", "argument --minutes: expected at least one argument"),
        ("--guest Ada --minutes 1 -1", "argument --minutes: -1 is not a positive number"),
        ("--guest Ada --sugar maybe", "argument --sugar: maybe is neither true nor false"),
        ("--guest Ada --now yes", "unrecognized arguments: yes"),
        ("--guest a/b", "argument --guest: 'a/b' is not a name"),
        ("--guest Ada --kettle tin", "unrecognized arguments: --kettle tin"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(*words.split())
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_has_each_flag_and_its_default():
    parser = cli.parser("Make tea.")
    add_flags(parser, Brew, "cups", "lemon")
    assert " ".join(parser.format_help().split()).endswith(
        "--cups CUPS, --mugs CUPS how many (default: 2) --lemon LEMON whether it is sour (default: True)"
    )


def test_a_group_has_the_flags_that_are_named_and_no_others():
    parser = argparse.ArgumentParser()
    add_flags(parser.add_argument_group("pot"), Brew, *flags_of(Brew, group="pot"))
    assert vars(parser.parse_args([])) == {"leaf": "green", "cups": 2}


def test_of_two_options_that_exclude_each_other_one_is_taken(capsys):
    parser = argparse.ArgumentParser()
    add_flags(parser.add_mutually_exclusive_group(), Brew, "cups", "note")
    assert parser.parse_args(["--note", "strong"]).note == "strong"
    with pytest.raises(SystemExit):
        parser.parse_args(["--cups", "1", "--note", "strong"])
    assert "argument --note: not allowed with argument --cups" in capsys.readouterr().err


def test_a_field_that_is_no_flag_is_given_apart():
    args = argparse.Namespace(**vars(parse("--guest", "Ada")))
    assert from_args(Brew, args, kettle="copper") == Brew(guest="Ada", kettle="copper")


def test_flags_with_their_values_are_read_again_as_they_were():
    values = {"guest": "Ada", "note": "it's 'so'; ls", "cups": 5, "lemon": False, "other": 1}
    line = to_flags(["cups", "lemon", "guest", "note"], values)
    assert line.startswith("--cups 5 --lemon False --guest Ada --note ")
    assert parse(*shlex.split(line)) == Brew(cups=5, lemon=False, guest="Ada", note=values["note"])
    with pytest.raises(KeyError):
        to_flags(["sugar"], values)
