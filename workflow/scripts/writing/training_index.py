"""The index of a corpus's training tunes that copies are found by: how it is built, stored and read."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import atomic_path, read_json, write_json
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.notation.lines import APOSTROPHE, COMMA, table_of
from workflow.scripts.notation.sound import NO_PITCH, OCTAVE, STAFF, Ragged, listen, step

FORMAT = 1
GRAM = 3  # bytes; of 2 to 5, those that find the nearest of unrelated tunes best for their cost
TUNE_BITS = 32
MAX_CHARS = (1 << 31) - 1  # what 32-bit suffixes and tune numbers hold
BATCH_TUNES = 4096  # heard at a time
GOLDEN = (5**0.5 - 1) / 2
KEY_LINE = re.compile(rb"^K:.*\n?", re.MULTILINE)
VIEWS = ("written", "transposed")
UNISON = 192  # of the transposed view: no step down is so large that its byte would be one of ASCII
ASCII_END = 128
IS_ACCIDENTAL = table_of(b"^_=")


class View(NamedTuple):
    """One view of n tunes, and an inverted index of its grams.

    Attributes:
        values, bounds: tune i is ``values[bounds[i]:bounds[i + 1]]``, uint8.
        grams: sorted distinct grams, uint64.
        first: ``tunes[first[g]:first[g + 1]]`` hold gram g, in order; int64.
        tunes, counts: a tune, and how often it holds the gram; int32.
    """

    values: np.ndarray
    bounds: np.ndarray
    grams: np.ndarray
    first: np.ndarray
    tunes: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class CopyIndex:
    """An index that `build` wrote.

    Attributes:
        info: what was indexed, as in index.json.
        text: music of the tunes as UTF-8, each ended by a NUL, which clean text has none of.
        suffixes: suffix array of ``text``, int32.
        bodies: (n + 1,) where the music of each tune starts in ``text``.
        numbers: (n,) number of each tune in the training split.
        sources: file and line of each tune as UTF-8, empty where the corpus does not say.
        views: by name.

    Raises:
        InputError: from `load`, when the folder is not a complete index.
    """

    info: dict
    text: np.ndarray
    suffixes: np.ndarray
    bodies: np.ndarray
    numbers: np.ndarray
    sources: Ragged
    views: dict[str, View]

    @classmethod
    def load(cls, folder: str | Path) -> "CopyIndex":
        """The index in a folder, its arrays mapped from their files."""
        folder = Path(folder)
        if not (folder / "index.json").exists():
            raise InputError(f"{folder} is not an index of a corpus (no index.json): run workflow.scripts.copy_index")
        info = read_json(folder / "index.json")
        if info.get("format") != FORMAT:
            raise InputError(f"{folder / 'index.json'} is not of this version's copy_index: build the index again")
        arrays = {name: load_array(folder / f"{name}.npy", *shape) for name, shape in info["arrays"].items()}
        return cls(
            info,
            **{name: arrays[name] for name in ("text", "suffixes", "bodies", "numbers")},
            sources=Ragged(arrays["sources_values"], arrays["sources_bounds"]),
            views={view: View(*(arrays[f"{view}_{field}"] for field in View._fields)) for view in VIEWS},
        )

    @property
    def cleaning(self) -> Cleaning:
        """How the corpus was cleaned, and so must be what is compared with it."""
        return Cleaning(**self.info["cleaning"])

    def source(self, tune: int) -> str | None:
        """File and line that a tune came from."""
        a, b = self.sources.bounds[tune : tune + 2]
        return self.sources.values[a:b].tobytes().decode() or None

    def tune(self, i: int) -> dict:
        """How copying.json names a tune of the index: its number in the training split, and where it came from."""
        return {"number": int(self.numbers[i]), "source": self.source(i)}


def load_array(path: Path, dtype: str, size: int) -> np.ndarray:
    """A mapped array (size,), read-only.

    Raises:
        InputError: the file holds another.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}): build the index again") from error
    if array.dtype != dtype or array.shape != (size,):
        raise InputError(f"{path} does not belong to the index.json beside it: build the index again")
    return np.asarray(array)


def music_of(text: bytes) -> bytes:
    """What follows the header of a clean tune; nothing if no K: field ends it."""
    key = KEY_LINE.search(text)
    return text[key.end() :] if key else b""


@njit(cache=True)
def intervals(notes, bounds):
    """(values, bounds) of the transposed view of `Music.notes`.

    Each note is UNISON + the step on the staff from the note before it in the text; the first is UNISON. Accidentals
    go: which of them a note needs depends on the key. Everything else in ASCII stays.
    """
    out, ends = np.empty(len(notes), dtype=np.uint8), np.zeros(len(bounds), dtype=np.int64)
    o = 0
    for t in range(len(bounds) - 1):
        before = NO_PITCH
        i, stop = bounds[t], bounds[t + 1]
        while i < stop:
            byte = notes[i]
            i += 1
            if STAFF[byte] >= 0:
                height = STAFF[byte]
                while i < stop and (notes[i] == APOSTROPHE or notes[i] == COMMA):
                    height += OCTAVE if notes[i] == APOSTROPHE else -OCTAVE
                    i += 1
                out[o] = UNISON + (step(before, height) if before != NO_PITCH else 0)
                before = height
                o += 1
            elif byte < ASCII_END and not IS_ACCIDENTAL[byte]:
                out[o] = byte
                o += 1
        ends[t + 1] = o
    return out[:o], ends


def views_of(text: np.ndarray, bounds: np.ndarray) -> dict[str, Ragged]:
    """Both views of clean tunes, of which tune i is ``text[bounds[i]:bounds[i + 1]]`` (uint8, UTF-8)."""
    notes = listen(text, bounds).notes
    return {"written": notes, "transposed": Ragged(*intervals(*notes))}


@njit(cache=True)
def gram_keys(values, bounds):
    """uint64 of every gram of every tune: its bytes, then the tune's number."""
    n = 0
    for t in range(len(bounds) - 1):
        n += max(bounds[t + 1] - bounds[t] - GRAM + 1, 0)
    keys = np.empty(n, dtype=np.uint64)
    k = 0
    for t in range(len(bounds) - 1):
        gram = np.uint64(0)
        for i in range(bounds[t], bounds[t + 1]):
            gram = (gram << np.uint64(8) | np.uint64(values[i])) & np.uint64(256**GRAM - 1)
            if i - bounds[t] >= GRAM - 1:
                keys[k] = gram << np.uint64(TUNE_BITS) | np.uint64(t)
                k += 1
    return keys


@njit(cache=True)
def group(keys):
    """The last four fields of a `View` from its sorted keys."""
    n_grams = n_tunes = 0
    shift = np.uint64(TUNE_BITS)
    for i in range(len(keys)):
        n_tunes += i == 0 or keys[i] != keys[i - 1]
        n_grams += i == 0 or keys[i] >> shift != keys[i - 1] >> shift
    grams, first = np.empty(n_grams, dtype=np.uint64), np.empty(n_grams + 1, dtype=np.int64)
    tunes, counts = np.empty(n_tunes, dtype=np.int32), np.zeros(n_tunes, dtype=np.int32)
    g = t = -1
    for i in range(len(keys)):
        if i == 0 or keys[i] != keys[i - 1]:
            t += 1
            tunes[t] = keys[i] & np.uint64((1 << TUNE_BITS) - 1)
        if i == 0 or keys[i] >> shift != keys[i - 1] >> shift:
            g += 1
            grams[g], first[g] = keys[i] >> shift, t
        counts[t] += 1
    first[n_grams] = n_tunes
    return grams, first, tunes, counts


def index_view(stream: Ragged) -> View:
    """A view of tunes with its index, from the bytes of each."""
    keys = gram_keys(*stream)
    keys.sort()
    return View(*stream, *group(keys))


def pick(corpus: Corpus, max_chars: int) -> dict[int, str]:
    """Training tunes by number, at most so many characters of them; the same ones every time.

    Multiples of the golden ratio modulo 1 are evenly spread, however many are taken (Weyl 1916).
    """
    split = corpus.split("train")
    texts, chars = {}, 0
    for number in np.argsort(np.arange(split.n_tunes) * GOLDEN % 1, kind="stable").tolist():
        text = corpus.tokenizer.decode(split.tune(number))
        chars += len(text)
        if chars > max_chars:
            break
        texts[number] = text
    if not texts:
        raise InputError(f"{corpus.folder}: no training tune fits into {max_chars} characters")
    return dict(sorted(texts.items()))


def join(parts: list[bytes]) -> Ragged:
    """Texts one after another, with their bounds."""
    return Ragged(
        np.frombuffer(bytearray().join(parts), dtype=np.uint8),
        np.concatenate(([0], np.cumsum([len(part) for part in parts], dtype=np.int64))),
    )


def listen_to(texts: list[bytes]) -> Iterator[dict[str, Ragged]]:
    """Both views, some tunes at a time, as hearing takes several times the memory of its text."""
    for at in range(0, len(texts), BATCH_TUNES):
        yield views_of(*join(texts[at : at + BATCH_TUNES]))


def build(corpus: Corpus, max_chars: int, folder: Path) -> dict:
    """Index the training tunes; returns what index.json says of it."""
    from pydivsufsort import divsufsort

    rows = corpus.listed("train")
    picked = pick(corpus, max_chars)
    texts = [text.encode() for text in picked.values()]
    (folder / "index.json").unlink(missing_ok=True)
    arrays = {}

    def save(**found: np.ndarray) -> None:
        for name, array in found.items():
            with atomic_path(folder / f"{name}.npy") as path:
                np.save(path, array, allow_pickle=False)
            arrays[name] = [array.dtype.str, len(array)]

    text, bodies = join([music_of(text) + b"\0" for text in texts])
    save(text=text, bodies=bodies, suffixes=divsufsort(text), numbers=np.array([*picked], dtype=np.int64))
    where = join([f"{rows[i]['path']}:{rows[i]['line']}".encode() if rows else b"" for i in picked])
    save(sources_values=where.values, sources_bounds=where.bounds)
    heard = list(listen_to(texts))
    for name in VIEWS:
        parts = [batch.pop(name) for batch in heard]
        lengths = np.concatenate([np.diff(part.bounds) for part in parts])
        values = np.concatenate([part.values for part in parts])
        view = index_view(Ragged(values, np.concatenate(([0], np.cumsum(lengths)))))
        save(**{f"{name}_{field}": array for field, array in view._asdict().items()})
    info = {
        "format": FORMAT,
        "corpus_sha256": corpus.content_sha256,
        "training_tunes": corpus.info["splits"]["train"]["tunes"],
        "training_chars": corpus.info["splits"]["train"]["chars"],
        "searched_tunes": len(picked),
        "searched_chars": sum(map(len, picked.values())),
        "cleaning": asdict(Cleaning(**corpus.info["options"]["rules"]["cleaning"])),
        "arrays": arrays,
    }
    write_json(folder / "index.json", info)
    return info
