"""Titles in the charsets that tunes are found in come out as they were, and everything else stays as it is."""

import random
import time
import unicodedata

import pytest

from workflow.scripts.reading.encodings import is_utf8, to_utf8
from workflow.scripts.reading.pieces import whole_text

TITLES = {
    "French": "Bourrée à six|La fille du roi d'Espagne, été|Scottish à Virmoux|Élisa en forêt|Cœur de chêne"
    "|Les sabots d'Hélène|La bohémienne|Marche des mariés|Théâtre de la Noël|Où étiez-vous hier|Pêcheur d'Islande",
    "German": "Grüß Gott, du schönes Maidlein|Ännchen von Tharau|Üb immer Treu|Österreichischer Ländler|Müller-Polka"
    "|Der Mai ist gekommen, süßer Klang|Wenn ich ein Vöglein wär|Tanz für zwölf Füße|Böhmische Polka|Jägerlied",
    "Spanish": "Canción del pirata|La niña de fuego|Año nuevo|¿Dónde vas?|¡Ay, corazón!|El niño perdido"
    "|Pasodoble español|Las campanas del pingüino|Ángel de la guarda|Villancico catalán",
    "Swedish": "Brännvinslåt|Gånglåt från Äppelbo|Öländsk schottis|Åtta vals|Långdans från Sollerön|Björkö vals"
    "|Jämtlandssången|Vårvindar friska|Trollpolska från Småland|Näckens polska|Brudmarsch från Åre",
    "Polish": "Łódź|Kujawiak żałosny|Oberek śląski|Góralski taniec, zbójnicki|Mazurek Dąbrowskiego, źle"
    "|Śpij, dzieciąteńko|Cztery mile za Warszawą|Wóz słomy|Chłopska dola|Ułan na wódę|Jaś i Małgosia, jesień",
    "Czech": "Čardáš|Šla Nanynka do zelí, ďábel|Když jsem já šel|Pod naším okýnkem|Černé oči, jděte spát|Koníček bílý"
    "|Červený šátečku|Údolím šumí říčka|Měla jsem holoubka|Pec nám spadla, Šárka|Řehoř a žena|Děvče",
    "Japanese": "夕焼け小焼け|表|さくらさくら|荒城の月|ふるさと|春の小川|ソーラン節|カチューシャ|赤とんぼ|黒田節"
    "|東京音頭|浜辺の歌",
}
WEST, EAST = ("cp1252", "latin-1", "mac_roman", "cp850", "cp437"), ("iso8859-2", "cp1250")


def shares(language: str, charset: str, declared: str = "") -> tuple[int, int]:
    """(titles that come out right, titles that the charset has) of a tune each."""
    right = n = 0
    for title in TITLES[language].split("|"):
        text = f"X:1\nT:{title}\n{declared}M:4/4\nK:C\nCDEF GABc|\n"
        try:
            data = text.encode(charset)
        except UnicodeEncodeError:
            continue
        if is_utf8(data):  # as is 表 in EUC-JP, by chance
            continue
        n += 1
        right += to_utf8(data) == (text.encode(), len(text))
    assert n
    return right, n


@pytest.mark.parametrize("language", TITLES)
def test_what_is_declared_is_believed(language):
    for charset in {"Japanese": ("shift_jis", "euc_jp"), "Polish": EAST, "Czech": EAST}.get(language, WEST):
        for declared in (f"I:abc-charset {charset}\n", f"%%abc-charset {charset.upper()}\n"):
            right, n = shares(language, charset, declared)
            assert right == n


@pytest.mark.parametrize(
    ("language", "charset", "least"),
    [
        *((language, charset, 1) for language in ("French", "German", "Spanish", "Swedish") for charset in WEST[:2]),
        *((language, charset, 0.9) for language in ("French", "German", "Spanish", "Swedish") for charset in WEST[2:3]),
        *((language, "cp850", 0.75) for language in ("French", "German", "Spanish", "Swedish")),
        *(("Polish", charset, 0.75) for charset in EAST),
        ("Japanese", "shift_jis", 1),
    ],
)
def test_what_is_not_declared_is_told_by_what_is_least_odd(language, charset, least):
    right, n = shares(language, charset)
    assert right >= least * n


def test_punctuation_of_windows_is_no_letter_of_another_charset():
    for title in ("O’Carolan’s Concerto", "The Sailors’ Hornpipe", "“The” Reel", "J’ai vu le loup – 2 temps", "Wait…",
                  "Fisher’s – 1850–1900", "© 1999, Price £5", "Jig No. 2½", "L’homme armé"):  # fmt: skip
        text = f"X:1\nT:{title}\nK:C\n"
        assert to_utf8(text.encode("cp1252"))[0].decode() == text


def test_a_line_in_utf_8_stays_whatever_stands_beside_it_or_is_declared():
    lines = ["X:1", "T:Café", "I:abc-charset iso-8859-2", "C:Čardáš", "K:C", ""]
    data = b"\n".join(line.encode("iso-8859-2" if line.startswith("C:") else "utf-8") for line in lines)
    assert to_utf8(data)[0].decode() == "\n".join(lines)


@pytest.mark.parametrize(
    "declared",
    [
        "utf-8",
        "us-ascii",
        "no-such-charset",
        "utf-16",
        "utf-7",
        "rot13",
        "hex",
        "unicode_escape",
        "idna",
        "cp037",
        "hz",
    ],
)
def test_a_charset_that_cannot_be_is_not_believed(declared):
    text = f"X:1\nT:Prélude \\n +AGE- ~{{!!~}}\nI:abc-charset {declared}\nK:C\n"
    assert to_utf8(text.encode("cp1252"))[0].decode() == text


def test_a_charset_that_would_give_control_codes_is_not_believed():
    text = "X:1\nT:O’Carolan\nI:abc-charset iso-8859-1\nK:C\n"
    assert to_utf8(text.encode("cp1252"))[0].decode() == text


def test_a_tune_has_its_own_charset_and_else_that_of_its_file():
    tunes = [("Čardáš", "", "iso8859-2"), ("Élan", "I:abc-charset iso-8859-1\n", "latin-1"), ("Oči", "", "iso8859-2")]
    texts = [f"X:{i}\nT:{title}\n{line}K:C\n" for i, (title, line, _) in enumerate(tunes)]
    data = b"".join(text.encode(charset) for text, (*_, charset) in zip(texts, tunes, strict=True))
    header = "%%abc-charset iso-8859-2\n\n"
    assert whole_text(header.encode() + data) == header + "".join(texts)
    assert "Čardáš" not in whole_text(data)


def test_listed_files_have_their_titles(shared):
    folder = shared / "reports" / "prepare"
    titles = {name: whole_text((folder / f"{name}.abc").read_bytes()) for name in
              ("latin2", "shiftjis", "utf16", "utf16be", "utf32", "mixedenc")}  # fmt: skip
    assert "T:Łódź zabę\n" in titles["latin2"]
    assert "T:夕焼け小焼け 表\n" in titles["shiftjis"]
    assert all("T:Café 16\n" in titles[name] for name in ("utf16", "utf16be", "utf32"))
    assert "T:Café A\n" in titles["mixedenc"]
    assert "T:Café B\n" in titles["mixedenc"]


def test_any_bytes_are_decoded_in_time_and_only_what_is_not_utf_8_changes():
    noise = random.Random(0)
    for size in (*range(60), 50_000):
        data = noise.randbytes(size).replace(b"\r", b"")
        text, chars = to_utf8(data)
        assert chars == len(text.decode())
        assert text.count(b"\n") == data.count(b"\n")
    hostile = (
        b"\xe9\n" * 200_000,
        b"\xe9" * 500_000,
        b"X:\n\xe9\n" * 5_000,
        (b" " * 50 + b"\n") * 5_000 + b"\xe9",
    )
    for data in hostile:
        start = time.perf_counter()
        assert unicodedata.normalize("NFC", to_utf8(data)[0].decode()).count("é") == data.count(b"\xe9")
        assert time.perf_counter() - start < 10  # 1 s on a machine that has nothing else to do
