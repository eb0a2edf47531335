"""How much of each tune is copied from the training tunes of a corpus: what copying.json says."""

from pathlib import Path

import numpy as np

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import rate_of
from workflow.scripts.notation.clean import clean_tunes, drop_table
from workflow.scripts.writing.copies import CANDIDATES, THRESHOLD, longest_common, nearest
from workflow.scripts.writing.samples import read_tune, tune_files
from workflow.scripts.writing.training_index import GRAM, CopyIndex, music_of, views_of

# What a record says of each view: how similar the nearest training tune is, and which it is.
KEYS = {
    "written": (measures.SIMILARITY, "nearest"),
    "transposed": (measures.TRANSPOSED_SIMILARITY, "transposed_nearest"),
}


def report_on(folder: str | Path, index_dir: str | Path) -> dict:
    """What copying.json says of the tunes below a folder.

    Raises:
        InputError: there are none, or the index is not whole.
    """
    index = CopyIndex.load(index_dir)
    files = [search(path, index) for path in tune_files(folder)]
    searched = {
        name: index.info[name]
        for name in ("corpus_sha256", "training_tunes", "training_chars", "searched_tunes", "searched_chars")
    }
    method = {"distance": "levenshtein", "threshold": THRESHOLD, "gram": GRAM, "candidates": CANDIDATES}
    return {"index": searched, "method": method, "summary": summarise(files), "files": files}


def search(path: Path, index: CopyIndex) -> dict:
    """What copying.json says of a file; null where there is no music to compare."""
    record: dict = {"path": path.name} | dict.fromkeys((*measures.STRETCH, "lcs_at", "lcs_tune"))
    text = cleaned(read_tune(path).text, index)
    if music := music_of(text.tobytes()):
        record |= longest_common(index, music)
    similarities = []
    for name, stream in views_of(text, np.array([0, len(text)])).items():
        likeness, which = KEYS[name]
        record |= {likeness: None, which: None}
        if len(stream.values):
            similarity, i = nearest(index.views[name], stream.values)
            similarities.append(similarity)
            record |= {likeness: round(similarity, 4), which: index.tune(i)}
    return record | {
        measures.ORIGINALITY: round(1 - max(similarities), 4) if similarities else None,
        measures.COPIED: any(similarity >= THRESHOLD for similarity in similarities),
    }


def cleaned(text: str, index: CopyIndex) -> np.ndarray:
    """A text with LF line ends, clean as the corpus was cleaned, as one tune whatever it holds: uint8, UTF-8."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)  # read-only, as `prepare` has it: compiled for that already
    cleaning = index.cleaning
    return clean_tunes(data, np.array([0]), np.array([len(data)]), drop_table(cleaning), cleaning.keep_comments)[0]


def summarise(files: list[dict]) -> dict:
    """Rate of copies among all files, and how each measure is spread over the files that have it."""
    count = sum(file[measures.COPIED] for file in files)
    measured = {
        name: [file[name] for file in files if file[name] is not None]
        for name in (*measures.STRETCH, *measures.LIKENESS)
    }
    return {
        "n": len(files),
        measures.COPIED: rate_of(count, len(files)),
    } | {name: spread(values) for name, values in measured.items()}


def spread(values: list[float]) -> dict | None:
    """Quantiles and mean of a measure, and of how many files; None of none."""
    if not values:
        return None
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    found = {"min": min(values), "p10": low, "median": middle, "mean": np.mean(values), "p90": high, "max": max(values)}
    return {"n": len(values)} | {name: round(float(value), 4) for name, value in found.items()}


def print_report(report: dict) -> None:
    """Print how many tunes are copies, and two medians."""
    summary = report["summary"]
    copied, stretch, originality = (
        summary[name] for name in (measures.COPIED, measures.LCS_CHARS, measures.ORIGINALITY)
    )
    low, high = copied["ci95"]
    print(f"copied {copied['count']} of {copied['n']} ({copied['rate']:.1%}, 95% interval {low:.1%} to {high:.1%})")
    if stretch and originality:
        print(
            f"medians: longest common stretch {stretch['median']:.0f} characters,"
            f" originality {originality['median']:.2f}"
        )
