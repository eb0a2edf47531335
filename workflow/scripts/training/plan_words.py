"""A plan in words: its table, what it comes to, how its numbers are known, and what there is not enough of."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from workflow.scripts.base.amounts import short
from workflow.scripts.training.bill import STAGES, Corpus, Rates, Row, Totals, in_all
from workflow.scripts.training.place import Place

BUSY = 1.15  # times as long by the clock as in computing: from here on it is told
NAMES = {
    "trials": "Trials of learning rates",
    "settings": "Trials of other settings",
    "suite": "Suite",
    "targets": "Targets, which are forecast first",
    "splits": "Runs with relatives of test tunes in training, and without",
}
NOT_COUNTED = "preparing the corpus, scoring the test split, writing and judging tunes, fits and figures"


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the models of each stage, the suite's first, with a head."""
    head = ["jobs", "tokens", "no embed.", "params", "FLOP a job", "time a job", "in all", "memory", "windows"]
    lines: list[list[str]] = []
    for stage in ("suite", "targets", "splits", "settings", "trials"):
        each = [(row, price) for row in rows for price in row.of_stage(stage) if price.jobs.count]
        lines += [["", *[""] * len(head), "", ""]] if lines and each else []
        lines += [[stage, *head, "TFLOP/s", ""]] if each else []
        for row, price in each:
            model, jobs = row.model, price.jobs
            lines.append(
                [
                    model.name, str(jobs.count), short(max(jobs.schedules)), *map(short, model.params),
                    f"{price.flops:.3g}", duration(price.seconds), duration(price.seconds * jobs.count),
                    megabytes(model.memory_mb), str(model.micro_batch), f"{row.rate / 1e12:.3g}", row.known,
                ]
            )  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:-1], widths[1:-1]), line[-1]]).rstrip()
        for line in lines
    ]


def duration(seconds: float) -> str:
    """A time as people say it: 12 s, 4.3 min, 7.1 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            value = seconds / size
            return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def megabytes(mb: float) -> str:
    """An amount of memory or disk: 250 MB, 14.6 GB (of 2**30 bytes)."""
    return f"{mb / 1024:.3g} GB" if mb >= 1024 else f"{mb:.0f} MB"


def summary(totals: Mapping[str, Totals], at_once: int) -> list[str]:
    """Sentences on what each stage comes to, and all of them."""
    stages = [stage for stage in STAGES if totals[stage].jobs]
    said = [f"{NAMES[stage]}: {in_words(totals[stage])}, {at_once} at a time." for stage in stages]
    together = in_all(totals)
    if len(stages) > 1:
        said.append(f"In all: {in_words(together)}, one stage after the other.")
    weights, states = megabytes(together.disk_mb), megabytes(together.unfinished_mb)
    return [*said, f"Disk: {weights} of weights; up to {states} of unfinished runs."]


def in_words(totals: Totals) -> str:
    """What jobs do and take."""
    return (
        f"{totals.jobs} job{'s train' if totals.jobs > 1 else ' trains'} {totals.runs} run{'s' * (totals.runs > 1)},"
        f" {totals.flops:.3g} FLOP, in {duration(totals.job_seconds)}, of which {duration(totals.start_seconds)} to"
        f" start; {duration(totals.clock_seconds)} by the clock"
    )


def remarks(rows: Sequence[Row], rates: Rates, corpus: Corpus, precision: str) -> list[str]:
    """Sentences on what is assumed, and how the rates are known; ``precision`` is the study's."""
    rows = [row for row in rows if row.model.count(*STAGES)]
    said = [f"Not counted: {NOT_COUNTED}."]
    if not corpus.is_there:
        said.append(
            f"No corpus is prepared: {corpus.vocab_size} tokens are assumed in the vocabulary, {corpus.tune} in a tune."
        )
    if rates.assumed:
        said.append(
            "Nothing was measured: every model is taken to use the device as well as the others, which narrow ones do"
            f" not, and a job to start in {rates.start:.0f} s. A plan made on a machine with the device measures both."
        )
    if other := [f"{row.model.name} ({row.model.precision})" for row in rows if row.model.precision != precision]:
        said.append(f"In a precision of their own: {', '.join(other)}.")
    if beyond := [row.model.name for row in rows if row.known == "beyond"]:
        said.append(
            f"Extrapolated, as larger or smaller than all of their kind that were timed: {', '.join(beyond)}. Each is"
            " taken to get as many FLOP a second as the nearest of these."
        )
    if akin := [row.model.name for row in rows if row.known == "akin"]:
        said.append(
            f"Not timed, nor any of their kind: {', '.join(akin)}. Each is taken to get as many FLOP a second as models"
            " of other settings, which can be far off: give the probe more --seconds."
        )
    if between := [row.model.name for row in rows if row.known == "between"]:
        said.append(f"Interpolated from a smaller and a larger one: {', '.join(between)}.")
    if (busy := statistics.median([timing.busy for timing in rates.timings.values()] or [1.0])) > BUSY:
        said.append(
            f"This machine was busy with something else, too: steps took {busy:.1f} times as long by the clock as they"
            " computed. The times are of a machine that does nothing else."
        )
    if cut := [f"{name} ({1 / timing.part:.0f})" for name, timing in rates.timings.items() if timing.part < 1]:
        said.append(
            f"Timed on part of a step, a whole one being so many times as large: {', '.join(cut)}. The optimiser counts"
            " as in a whole one."
        )
    return said


def misfits(
    rows: Iterable[Row],
    totals: Mapping[str, Totals],
    place: Place,
    at_once: int,
    hours: float | None,
    free_mb: int,
    free_for_states_mb: int | None = None,
) -> list[str]:
    """Sentences on what there is not enough of.

    Args:
        free_mb: of disk, where the results go; ``free_for_states_mb``: where states go, if on another disk.
    """
    found = []
    trained = [row.model for row in rows if row.model.count(*STAGES)]
    if memory := place.memory_mb:
        large = [model for model in trained if model.memory_mb > memory]
        for model in large:
            passes = f"with {model.micro_batch} window{'s' * (model.micro_batch > 1)} in a pass"
            found.append(
                f"{model.name} needs {megabytes(model.memory_mb)} of memory {passes}; there are {megabytes(memory)}"
            )
        by_stage = (
            sorted((model.memory_mb for model in trained for _ in range(model.count(stage))), reverse=True)[:at_once]
            for stage in STAGES
        )
        needs = max(by_stage, key=sum)
        if not large and not place.on_gpu and sum(needs) > memory:
            found.append(
                f"{len(needs)} jobs at once need up to {megabytes(sum(needs))} of memory; there are {megabytes(memory)}"
            )
    together = in_all(totals)
    disks = [("disk", together.disk_mb + together.unfinished_mb, free_mb)]
    if free_for_states_mb is not None:
        disks = [("disk", together.disk_mb, free_mb), ("work_dir", together.unfinished_mb, free_for_states_mb)]
    for name, needed, free in disks:
        if needed > free:
            found.append(f"{megabytes(needed)} of {name} are needed, and {megabytes(free)} are free")
    if hours and together.clock_seconds > hours * 3600:
        each = (f"{stage} {duration(totals[stage].clock_seconds)}" for stage in STAGES if totals[stage].jobs)
        found.append(
            f"training takes {duration(together.clock_seconds)} by the clock ({', '.join(each)}), more than the"
            f" {hours:g} h allowed"
        )
    return found
