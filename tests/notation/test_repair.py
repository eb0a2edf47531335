import re

import pytest

from tests.notation.conftest import cleaned
from workflow.scripts.notation.clean import repair


@pytest.mark.parametrize("title", ["Étude", "Préludé", "naïve’s “À”", "Čardáš", "Grüß Gott", "Üben macht", "日本"])
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_text_that_was_encoded_twice_is_repaired(title, codec):
    twice = "".join(
        bytes([byte]).decode(codec if codec == "latin-1" or byte not in b"\x81\x8d\x8f\x90\x9d" else "latin-1")
        for byte in title.encode()
    )
    assert cleaned(f"X:1\nT:{twice}\nK:G\nabc|\n") == f"X:1\nT:{title}\nK:G\nabc|\n"
    assert cleaned(f"X:1\nT:{title}\nK:G\nabc|\n") == f"X:1\nT:{title}\nK:G\nabc|\n"


def test_text_that_was_encoded_twice_is_repaired_beside_other_text():
    twice = "Étude".encode().decode("latin-1")
    assert repair(f"T:{twice}\nC:春\nZ:Jos\xe9\n") == "T:Étude\nC:春\nZ:José\n"


def test_dos_text_is_repaired_line_by_line():
    assert repair("Gr\x81n ist die Heide\nsch\x94n \x9a\nÜber\n") == "Grün ist die Heide\nschön Ü\nÜber\n"


def test_german_titles_of_the_essen_collection_are_german(music21):
    text = "".join(cleaned(data.decode()) for data in music21 if b"\xc2\x84" in data)
    words = set(re.findall(r"\w+", text))
    assert {"Mädchen", "schöne", "grünen"} <= words
    letters = re.findall("[^\\W\\dA-Za-z_]", text)
    assert len(letters) > 300
    assert sum(letter in "äöüÄÖÜß" for letter in letters) > 0.9 * len(letters)
