"""A text that was cut is judged up to where it is whole, and nothing that was cut off is missed."""

import pytest

from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.cut import whole_bars
from workflow.scripts.grammar.rhythm import judge

HEADER = "X:1\nT:a\nM:4/4\nL:1/8\nK:C\n"


@pytest.mark.parametrize(
    ("music", "whole"),
    [
        ("C8|D8|E4 [CE", "C8|D8|"),
        ("C8|D8|", "C8|D8|"),
        ('C8|D4"a|b"D4', "C8|"),  # a bar line in quotation marks, or in a comment, is none
        ("C8|D4%a|b\nD4", "C8|"),
        ("C8|\nw:one | two", "C8|"),
        # All of voice 1, then voice 2: the cut is in the last, which goes where it has no whole bar.
        ("V:1\nC8|D8|\nV:2\nE8|F", "V:1\nC8|D8|\nV:2\nE8|"),
        ("V:1\nC8|D8|\nV:2\n|: E4 F", "V:1\nC8|D8|\n"),
        ("V:1\nC8|D3\nV:2\nE8|F", "V:1\nC8|D3\nV:2\nE8|"),
        ("V:1\nC8|D8|\nV:", "V:1\nC8|D8|\n"),
        # Line by line: voice 1 is a line ahead.
        ("[V:1]C8|D8|\n[V:2]E8|F8|\n[V:1]C8|D8|\n[V:2]E", "[V:1]C8|D8|\n[V:2]E8|F8|\n[V:1]C8|D8|\n"),
        # What waits for its other half goes, and nothing that has it.
        ("(C4 D4)|(C4-[CE-]4|E", "(C4 D4)|C4-[CE]4|"),
        ("|:C8:|:D8|(E8|F", "|:C8:||D8|E8|"),
        ("[C-C-E]8|[C-", "[CCE]8|"),
        ("A8|B2 ]|:c2|d8|e", "A8|B2 ]||c2|d8|"),  # the bars at both of its sides may be short
        ("C8::D8|E", "C8:|D8|"),
        ("C8|1 D8|E", "C8| D8|"),
        ("|:C8|1 D8:|2 E8|F", "|:C8|1 D8:|2 E8|"),
        ("|:C8|[1 D8|E", "||C8| D8|"),
        ("V:1\nC8-|\nV:2\n(E8|F", "V:1\nC8|\nV:2\nE8|"),
    ],
)
def test_it_ends_with_its_last_whole_bar(music, whole):
    found = whole_bars(HEADER + music)
    assert found == (HEADER + whole.rstrip("\n") + "\n", 0)
    assert parse(found[0]).messages == []
    assert judge(parse(found[0]), is_cut=True).misaligned == 0


@pytest.mark.parametrize("text", ["", "X:1\nT:a", HEADER[:-1], HEADER, f"{HEADER}C8", f"{HEADER}|:", f"{HEADER}V:1\nC"])
def test_of_a_header_or_half_a_bar_there_is_nothing_to_judge(text):
    assert whole_bars(text) is None


def test_a_fault_before_the_cut_stays_one():
    for music in ("C4-D4|E8|F", "C8)|E8|F", "|:C8|:D8:|E8|F", "|:C8|:D8|E8|F", "C4 [CE D8|E8|F"):
        text, _ = whole_bars(HEADER + music)
        assert not parse(text).is_valid, music


def test_the_prompt_is_no_bar_of_its_writers():
    prompt = f"{HEADER}|:C8|(D4"
    assert whole_bars(f"{prompt} D4", len(prompt)) is None
    text, prompt_chars = whole_bars(f"{prompt} E4|F", len(prompt))
    assert (text[:prompt_chars], text[prompt_chars:]) == (f"{HEADER}||C8|D4", " E4|\n")


def test_what_real_tunes_are_cut_to_is_whole(shared):
    """Wherever the tunes of other people's programs are cut, which hold to the grammar as they are."""
    text = (shared / "reports" / "read" / "voice_ends_early.abc").read_text()
    for end in range(len(text)):
        if found := whole_bars(text[:end]):
            assert parse(found[0]).is_music, text[:end]
            assert judge(parse(found[0]), is_cut=True).is_right, text[:end]
