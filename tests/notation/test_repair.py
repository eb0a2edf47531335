import re

import pytest

from tests.notation.conftest import cleaned
from workflow.scripts.notation.repair import repair, unescape


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


def test_a_line_of_a_control_character_is_no_text():
    assert repair("abc|\n\x85\ndef|") == "abc|\n\ndef|"
    assert cleaned("X:1\nK:C\nabc|\n\x85\ndef|") == "X:1\nK:C\nabc|\ndef|\n"


def test_german_titles_of_the_essen_collection_are_german(music21):
    text = "".join(cleaned(data.decode()) for data in music21 if b"\xc2\x84" in data)
    words = set(re.findall(r"\w+", text))
    assert {"Mädchen", "schöne", "grünen"} <= words
    letters = re.findall("[^\\W\\dA-Za-z_]", text)
    assert len(letters) > 300
    assert sum(letter in "äöüÄÖÜß" for letter in letters) > 0.9 * len(letters)


@pytest.mark.parametrize(
    ("text", "expected", "n"),
    [
        ("C&gt;E G&lt;c", "C>E G<c", 2),
        ("C4 &amp; E4 &#38; G4&#x26;c4", "C4 & E4 & G4&c4", 3),
        ("&quot;Am&quot;C&quot;D&quot;D", '"Am"C"D"D', 4),
        ('&quot;Am"C', '"Am"C', 1),
        ("&#34;Am &lt; B&#34;C", '"Am < B"C', 3),
        ("C &quot;Am D", "C &quot;Am D", 0),  # it would open a text that nothing closes
        ("&quot;A&quot;C &quot;D", '"A"C &quot;D', 2),
        ('"say &quot;no&quot;, 50&#37; &#92; &eacute;"C', '"say &quot;no&quot;, 50&#37; &#92; é"C', 1),
        ('"&lt;left"C "&#94;up"D "a&gt;b"E', '"&lt;left"C "&#94;up"D "a>b"E', 1),  # else it says where to print it
        ("C&#37;D &percnt; &bsol; &#10;", "C&#37;D &percnt; &bsol; &#10;", 0),
        ("C&nbsp;D &apos;", "C\xa0D '", 2),
        ("C4 &ee;gg| &c; &zz; C &c d;", "C4 &ee;gg| &c; &zz; C &c d;", 0),  # overlays
        ('C[r: a "b]"&quot;"D &lt;E', 'C[r: a "b]"&quot;"D <E', 1),
        ('C[r:a &lt;]D "no &gt; end &quot; of it', 'C[r:a <]D "no > end &quot; of it', 2),
        ("C4 &&gt; D4", "C4 &&gt; D4", 0),
        ("C % &gt; D", "C % &gt; D", 0),
        ("T:a &lt;b&gt; &eacute; &mdash; &Ccaron; &#8217; &#146;", "T:a <b> é — Č ’ ’", 7),
        ("T:&quot;a&quot; 50&#37; &#92;", "T:&quot;a&quot; 50&#37; &#92;", 0),
        ("N:one\n+:&lt;\nw:la &lt; li\n", "N:one\n+:<\nw:la < li\n", 2),
        ("V:1 name=&quot;A &amp; B&quot;\nQ:&quot;slow&quot; 1/4=60", 'V:1 name="A & B"\nQ:"slow" 1/4=60', 5),
        ("m:~G2 = &lt;", "m:~G2 = &lt;", 0),
        ("T:&amp;amp;lt; &amp;eacute; &#38;gt;", "T:< é >", 3),
        ("&bogus; &#0; &#xFFFFFFF; &#55296; &;", "&bogus; &#0; &#xFFFFFFF; &#55296; &;", 0),
    ],
)
def test_entities_of_html_become_the_signs_that_they_stand_for(text, expected, n):
    assert unescape(text) == (expected, n)
    assert unescape(expected)[0] == expected


def test_entities_are_put_right_in_clean_tunes():
    text = 'X:1\nT:Caf&eacute; &amp; &lt;bar&gt;\nK:G\nC&gt;E G&lt;c &quot;Am&quot;G4|"50&#37;"c8|\n'
    assert cleaned(text) == 'X:1\nT:Café & <bar>\nK:G\nC>E G<c "Am"G4|"50&#37;"c8|\n'
    plain = "X:1\nT:&\nK:G\nC4 & E4|\n"
    assert cleaned(text + "\n" + plain) == cleaned(text) + plain
