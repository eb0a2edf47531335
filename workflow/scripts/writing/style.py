"""How tunes are built and how they sound, beside real ones: what style.json says of folders of tunes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.base import measures
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.uncertainty import rate_of, ratio_means
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.rhythm import judge as judge_rhythm
from workflow.scripts.writing.distances import compare
from workflow.scripts.writing.features import CLASSES, measure
from workflow.scripts.writing.ladder import fails_meter
from workflow.scripts.writing.samples import Sample, read_sample, read_samples, read_tune

MAX_TUNES = 500  # of the reference
SPLIT = "val"  # no model was trained on it, and real tunes that are put beside the models' are drawn from another
NEEDED = ("X", "K")  # ABC 2.1, 2.2.1
USUAL = ("T", "M", "L")  # needed too, if the reference has them: a corpus may be built without titles
USUAL_SHARE = 0.95
RATES = (measures.SYNTAX, measures.RHYTHM, *measures.FORM)


@dataclass(frozen=True)
class Reference:
    """Real tunes to compare with.

    Attributes:
        n: tunes.
        fields: that a complete header has.
        histograms: by the names of `CLASSES`, (n with notes, 12).
    """

    n: int
    fields: tuple[str, ...]
    histograms: dict[str, np.ndarray]


def reference_of(corpus: Corpus) -> Reference:
    """At most `MAX_TUNES` of the validation split, evenly spread."""
    split = corpus.split(SPLIT)
    n = min(split.n_tunes, MAX_TUNES)
    found = [parse(corpus.tokenizer.decode(split.tune(i * split.n_tunes // n))) for i in range(n)]
    usual = tuple(name for name in USUAL if sum(name in text.fields for text in found) >= USUAL_SHARE * n)
    return Reference(n, NEEDED + usual, stack([measure(text).histograms for text in found]))


def stack(tunes: list[dict[str, np.ndarray] | None]) -> dict[str, np.ndarray]:
    """By the names of `CLASSES`, (n, 12) histograms of the n tunes that have them."""
    return {name: np.array([tune[name] for tune in tunes if tune]).reshape(-1, 12) for name in CLASSES}


def describe(sample: Sample, fields: tuple[str, ...]) -> tuple[dict, dict[str, np.ndarray] | None]:
    """(what style.json says of a tune, its histograms).

    A file that the ladder refuses breaks grammar and meter, as it does there; all else is measured. A tune that was cut
    is measured up to where it is whole, and is closed only if the cut is right there.
    """
    (text, problem), prompt_chars = read_sample(sample)
    found = parse(text, prompt_chars)
    keeps_meter = judge_rhythm(found, not sample.ended).is_right
    if problem:
        keeps_meter = False if sample.ended else fails_meter(found)
    closed = found.closed if sample.ended else parse(read_tune(sample.path).text).closed
    features = measure(found)
    record = {
        "path": sample.path.name,
        measures.SYNTAX: found.is_music and not problem,
        measures.RHYTHM: keeps_meter,
        measures.ENDED: sample.ended,
        measures.CLOSED: closed and features.notes > 0,
        measures.HEADER_COMPLETE: found.fields.issuperset(fields),
        measures.TWO_VOICES: features.voices > 1,
        measures.NOTES: features.notes,
    }
    for name in measures.MEANS:
        if name != measures.NOTES:
            value = getattr(features, name)
            record[name] = None if value is None else round(value, 4)
    return record, features.histograms


def distances(samples: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict:
    """How far the samples are from the reference, and the mean histograms of both."""

    def mean(tunes: np.ndarray) -> list[float] | None:
        return tunes.mean(axis=0).round(4).tolist() if len(tunes) else None

    return {
        name: {"n": len(samples[name])}
        | compare(samples[name], reference[name])
        | {"classes": list(classes), "samples": mean(samples[name]), "reference": mean(reference[name])}
        for name, classes in CLASSES.items()
    }


def report_on(folders: Sequence[str | Path], data_dir: str | Path) -> dict:
    """What style.json says of the tunes of some folders, beside those of a corpus.

    Raises:
        InputError: a folder has no table of tunes, or none lists any.
    """
    drawn = {Path(folder).resolve().name: samples for folder in folders if (samples := read_samples(folder))}
    if not drawn:
        raise InputError(f"the tables in {', '.join(map(str, folders))} list no tunes")
    corpus = Corpus.load(data_dir)
    reference = reference_of(corpus)
    about = {
        "corpus_sha256": corpus.content_sha256,
        "split": SPLIT,
        "tunes": reference.n,
        "header_fields": list(reference.fields),
    }
    return {"reference": about, "folders": {name: of_folder(samples, reference) for name, samples in drawn.items()}}


def of_folder(samples: list[Sample], reference: Reference) -> dict:
    """What style.json says of the tunes of a folder."""
    judged = [describe(sample, reference.fields) for sample in samples]
    files = [record for record, _ in judged]
    known = {name: [file[name] for file in files if file[name] is not None] for name in (*RATES, *measures.MEANS)}
    return {
        "n": len(files),
        "rates": {name: rate_of(sum(known[name]), len(known[name])) if known[name] else None for name in RATES},
        "means": {name: mean_of(known[name]) for name in measures.MEANS},
        "distances": distances(stack([histograms for _, histograms in judged]), reference.histograms),
        "files": files,
    }


def mean_of(values: list[float]) -> dict | None:
    """What a result file says of a mean: itself, its 95% interval (None of one value), how many; None of no values."""
    if not values:
        return None
    (mean,) = ratio_means(np.array(values, dtype=float)[:, None], np.ones((len(values), 1)))
    interval = mean.ci95 and [round(bound, 4) for bound in mean.ci95]
    return {"mean": round(mean.value, 4), "ci95": interval, "n": len(values)}


def print_report(report: dict) -> None:
    """Print the rates, means and distances of each folder."""
    for name, folder in report["folders"].items():
        print(f"{name}:")
        print_folder(folder)


def print_folder(report: dict) -> None:
    for name, row in report["rates"].items():
        if row:
            low, high = row["ci95"]
            counts = f"{row['count']:>4} of {row['n']:<4}"
            print(f"{name:<15} {counts} {row['rate']:6.1%}   95% interval {low:.1%} to {high:.1%}")
    for name, row in report["means"].items():
        if row:
            interval = "   95% interval {:.3f} to {:.3f}".format(*row["ci95"]) if row["ci95"] else ""
            print(f"{name:<15} {row['n']:>4} tunes   {row['mean']:6.3f}{interval}")
    for name, row in report["distances"].items():
        if row["overlap"] is not None:
            print(f"{name:<15} {row['n']:>4} tunes   overlap {row['overlap']:.3f}, KL {row['kl']:.3f} nats")
