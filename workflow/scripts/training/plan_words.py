"""A plan in words: its table, what it comes to, how its numbers are known, and what there is not enough of."""

import statistics

from workflow.scripts.base.amounts import short
from workflow.scripts.training.bill import Corpus, Rates, Row, Totals
from workflow.scripts.training.place import Place

BUSY = 1.15  # times as long by the clock as in computing: from here on it is told
NOT_COUNTED = "preparing the corpus, scoring the test split, writing and judging tunes, fits and figures"


def table(rows: list[Row]) -> list[str]:
    """Lines of the suite's models, with a head."""
    head = ["model", "jobs", "non-embedding", "parameters", "FLOP a job", "time a job", "in all", "memory"]
    lines = [[*head, "windows", "disk", "TFLOP/s", ""]]
    for row in rows:
        model = row.model
        lines.append(
            [
                model.name, str(model.jobs), short(model.params[0]), short(model.params[1]), f"{row.flops:.3g}",
                duration(row.seconds), duration(row.seconds * model.jobs), megabytes(model.memory_mb),
                str(model.micro_batch), megabytes(row.disk_mb * model.jobs), f"{row.rate / 1e12:.3g}", row.known,
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


def summary(totals: Totals, at_once: int) -> list[str]:
    """Sentences on what it comes to."""
    return [
        f"In all: {totals.jobs} jobs train {totals.runs} runs, {totals.flops:.3g} FLOP. They take"
        f" {duration(totals.job_seconds)}, of which {duration(totals.start_seconds)} to start;"
        f" {duration(totals.clock_seconds)} by the clock, {at_once} at a time.",
        f"Disk: {megabytes(totals.disk_mb)} of weights; up to {megabytes(totals.unfinished_mb)} of unfinished runs.",
        f"Not in these: {totals.trials} trials of learning rates, {duration(totals.trial_seconds)}.",
    ]


def remarks(rows: list[Row], rates: Rates, corpus: Corpus) -> list[str]:
    """Sentences on what is assumed, and how the rates are known."""
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
    if beyond := [row.model.name for row in rows if row.known == "beyond"]:
        said.append(
            f"Extrapolated, as too large to be timed here: {', '.join(beyond)}. Each is taken to get as many FLOP a"
            " second as the largest of its kind that was timed."
        )
    if between := [row.model.name for row in rows if row.known == "between"]:
        said.append(f"Interpolated from a smaller and a larger one, for want of time: {', '.join(between)}.")
    if (busy := statistics.median([timing.busy for timing in rates.timings.values()] or [1.0])) > BUSY:
        said.append(
            f"This machine was busy with something else, too: steps took {busy:.1f} times as long by the clock as they"
            " computed. The times are of a machine that does nothing else."
        )
    if cut := [f"{name} ({1 / timing.part:.0f})" for name, timing in rates.timings.items() if timing.part < 1]:
        said.append(f"Timed on part of a step, a whole one being so many times as large: {', '.join(cut)}.")
    return said


def misfits(
    rows: list[Row], totals: Totals, place: Place, at_once: int, hours: float | None, free_mb: int
) -> list[str]:
    """Sentences on what there is not enough of."""
    found = []
    suite = [row.model for row in rows if row.model.jobs]
    if memory := place.memory_mb:
        large = [model for model in suite if model.memory_mb > memory]
        for model in large:
            passes = f"with {model.micro_batch} window{'s' * (model.micro_batch > 1)} in a pass"
            found.append(
                f"{model.name} needs {megabytes(model.memory_mb)} of memory {passes}; there are {megabytes(memory)}"
            )
        needs = sorted((model.memory_mb for model in suite for _ in range(model.jobs)), reverse=True)[:at_once]
        if not large and not place.on_gpu and sum(needs) > memory:
            found.append(
                f"{len(needs)} jobs at once need up to {megabytes(sum(needs))} of memory; there are {megabytes(memory)}"
            )
    disk = totals.disk_mb + totals.unfinished_mb
    if disk > free_mb:
        found.append(f"{megabytes(disk)} of disk are needed, and {megabytes(free_mb)} are free")
    if hours and totals.clock_seconds > hours * 3600:
        found.append(f"training takes {duration(totals.clock_seconds)} by the clock, more than the {hours:g} h allowed")
    return found
