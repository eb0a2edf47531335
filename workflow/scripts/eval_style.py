"""How tunes are built and how they sound, beside real ones: the form of each, and how far all are from a corpus.

Of all tunes of a folder, the rates at which they
  syntax           keep the grammar of ABC 2.1, as `eval_syntax` judges it
  rhythm           have every bar as long as its meter, of those with a meter
  ended            were ended by their writer, not cut
  closed           end the last bar of every voice with a bar line
  header_complete  have X: and K:, and those of T:, M: and L: that at least 95% of the reference has
  two_voices       have notes in two voices or more
and of those where there is something to measure, the means of
  in_key           share of the notes that are what the key says
  rest_share       share of the time of all voices that rests take
  polyphony        notes that sound at a time, while one does
  repetition       share of the bars that repeat, note for note, an earlier bar of their voice
  notes            notes of a tune
and two distances after Yang and Lerch (2020), of the histograms of pitch classes and of note lengths: how much the
distances from the reference overlap those within it (1 is best), and KL(within || from) in nats (0 is best).

The reference is of people: the validation split, of which at most 500 tunes, spread evenly, are taken. Real tunes of
the test split, drawn by `draw_real`, say what is to be reached: no figure is better for being higher than theirs.

A prompt is part of what is parsed and never measured: notes, rests and bars count that begin after it. Fields of a
prompt's header do count to a complete one; of samples with a prompt that rate says little.

Each folder is judged by itself; one whose table lists no tunes is left out.

Example:
  python -m workflow.scripts.eval_style --folders output/samples/ --data_dir data/corpora/music21 --output style.json
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.base import cli
from workflow.scripts.base.cli import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.base.wilson import rate_of
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.notation.checker import parse
from workflow.scripts.notation.rhythm import judge as judge_rhythm
from workflow.scripts.writing.samples import Sample, read_samples
from workflow.scripts.writing.style import CLASSES, compare, mean_of, measure

MAX_TUNES = 500  # of the reference
MAX_CHARS = 1 << 18  # looked at; a tune is a few kilobytes
SPLIT = "val"  # no model was trained on it, and real tunes that stand beside the models' are drawn from another
NEEDED = ("X", "K")  # ABC 2.1, 2.2.1
USUAL = ("T", "M", "L")  # needed too, if the reference has them: a corpus may be built without titles
USUAL_SHARE = 0.95
RATES = ("syntax", "rhythm", "ended", "closed", "header_complete", "two_voices")
MEANS = ("in_key", "rest_share", "polyphony", "repetition", "notes")


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
    split = corpus.split(SPLIT)
    n = min(split.n_tunes, MAX_TUNES)
    found = [parse(corpus.tokenizer.decode(split.tune(i * split.n_tunes // n))) for i in range(n)]
    usual = tuple(name for name in USUAL if sum(name in text.fields for text in found) >= USUAL_SHARE * n)
    return Reference(n, NEEDED + usual, stack([measure(text).histograms for text in found]))


def stack(tunes: list[dict[str, np.ndarray] | None]) -> dict[str, np.ndarray]:
    """By the names of `CLASSES`, (n, 12) histograms of the n tunes that have them."""
    return {name: np.array([tune[name] for tune in tunes if tune]).reshape(-1, 12) for name in CLASSES}


def judge(sample: Sample, fields: tuple[str, ...]) -> tuple[dict, dict[str, np.ndarray] | None]:
    """(what style.json says of a tune, its histograms)."""
    with open(sample.path, encoding="utf-8", errors="replace", newline="") as file:
        found = parse(file.read(MAX_CHARS), sample.prompt_chars)
    measures = measure(found)
    record = {
        "path": sample.path.name,
        "syntax": found.is_valid,
        "rhythm": judge_rhythm(found).is_right,
        "ended": sample.ended,
        "closed": found.closed and measures.notes > 0,
        "header_complete": found.fields.issuperset(fields),
        "two_voices": measures.voices > 1,
        "notes": measures.notes,
    }
    for name in MEANS[:-1]:
        value = getattr(measures, name)
        record[name] = None if value is None else round(value, 4)
    return record, measures.histograms


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


def report_on(folders: list[str | Path], data_dir: str | Path) -> dict:
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
    judged = [judge(sample, reference.fields) for sample in samples]
    files = [record for record, _ in judged]
    known = {name: [file[name] for file in files if file[name] is not None] for name in RATES + MEANS}
    return {
        "n": len(files),
        "rates": {name: rate_of(sum(known[name]), len(known[name])) if known[name] else None for name in RATES},
        "means": {name: mean_of(known[name]) for name in MEANS},
        "distances": distances(stack([histograms for _, histograms in judged]), reference.histograms),
        "files": files,
    }


def print_report(report: dict) -> None:
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


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--folders", required=True, nargs="+", help="folders of tunes and the table of them, as sample writes"
    )
    parser.add_argument("--data_dir", required=True, help="corpus that prepare wrote, to compare with")
    parser.add_argument("--output", required=True, help="JSON file to write")
    args = parser.parse_args(argv)

    report = report_on(args.folders, args.data_dir)
    write_json(args.output, report)
    print_report(report)


if __name__ == "__main__":
    cli.run(main)
