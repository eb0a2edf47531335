"""Write what the benchmarks left in benchmarks/results into pages.

They are benchmarks/README.md and docs/speed.md. README.md and docs/corpus.md have some of it, too:
`python -m workflow.scripts.write_pages` writes those.

Example:
  python -m benchmarks.write_readme
"""

from pathlib import Path

from benchmarks import gpu_page, speed_page
from benchmarks.against import RESULTS
from benchmarks.kept import rows_of
from benchmarks.law_tables import covered, forecasts, isoflop_bias, verdicts
from workflow.scripts.base import cli
from workflow.scripts.base.files import read_json, write_text

README = Path(__file__).with_name("README.md")
HEAD = """# Benchmarks

Written by `python -m benchmarks.write_readme` from the files in `results/`; do not edit. Each row times ours and a
named baseline turn by turn, each in a process of its own, on the same shapes, batch and device, and gives medians with
quartiles in brackets.

Utilisation is a model's FLOP (`flops_per_token`) against those of a large matrix product timed just after, in the
precision that ours trains in. *At most* is the ratio that ours would have if all its FLOP ran at that product's rate:
in that precision, on that machine, no code could do better.

nanoGPT is [Karpathy's](https://github.com/karpathy/nanoGPT), as it is, from a clone of yours.
"""
PATHS = {
    "train": " --nanogpt <clone>",
    "memory": "",
    "sample": " --nanogpt <clone>",
    "gpu_ideas": "",
    "startup": "",
    "perplexity": " --nanogpt <clone> data/corpora/music21",
    "validity": " data/corpora/music21 <cases>",
    "ceilings": " data/corpora/music21 <corpus of ABC> <corpus of MIDI>",
    "laws": "",
    "study": "",
    "plan": "",
    "cleaning": "",
    "round_trip": "",
    "forecasts": "",
    "verdicts": "",
    "isoflop_bias": "",
}
# Heading by benchmark and kind of device (`against.kind`).
SECTIONS = {
    ("study", "cpu-bfloat16"): "The whole study on a CPU with native bfloat16",
    ("study", "cpu-float32"): "The whole study on a CPU without native bfloat16",
    ("plan", "cpu-bfloat16"): "What a plan said and what was paid, on a CPU with native bfloat16",
    ("plan", "cpu-float32"): "What a plan said and what was paid, on a CPU without native bfloat16",
    ("train", "cpu-bfloat16"): "Training on a CPU with native bfloat16",
    ("train", "cpu-float32"): "Training on a CPU without native bfloat16",
    ("train", "cuda"): "Training on a GPU",
    ("memory", "cpu-bfloat16"): "Memory of training on a CPU with native bfloat16",
    ("memory", "cpu-float32"): "Memory of training on a CPU without native bfloat16",
    ("memory", "cuda"): "Memory of training on a GPU",
    ("gpu_ideas", "cuda"): "Ideas on training on a GPU",
    ("sample", "cpu-bfloat16"): "Writing tunes on a CPU with native bfloat16",
    ("sample", "cpu-float32"): "Writing tunes on a CPU without native bfloat16",
    ("sample", "cuda"): "Writing tunes on a GPU",
    ("startup", "cpu-bfloat16"): "Starting a job on a CPU with native bfloat16",
    ("startup", "cpu-float32"): "Starting a job on a CPU without native bfloat16",
    ("perplexity", "cpu-bfloat16"): "Scoring a split on a CPU with native bfloat16",
    ("perplexity", "cpu-float32"): "Scoring a split on a CPU without native bfloat16",
    ("perplexity", "cuda"): "Scoring a split on a GPU",
    ("validity", "cpu-bfloat16"): "Judging tunes on a CPU with native bfloat16",
    ("validity", "cpu-float32"): "Judging tunes on a CPU without native bfloat16",
    ("ceilings", "cpu"): "What real tunes pass",
    ("cleaning", "cpu"): "Whether cleaning keeps the music",
    ("round_trip", "cpu"): "How much of MIDI a conversion keeps",
    ("forecasts", "cpu"): "How often the interval of a forecast holds",
    ("verdicts", "cpu"): "How often a verdict is wrong, and an interval of α or E holds",
    ("isoflop_bias", "cpu"): "How far parabolas at equal FLOP are off",
    ("laws", "cpu-bfloat16"): "Fitting laws on a CPU with native bfloat16",
    ("laws", "cpu-float32"): "Fitting laws on a CPU without native bfloat16",
}
TAIL = """
## Preparing a corpus

    python -m benchmarks.corpus data/raw/tunes.abc.zst
    python -m benchmarks.midi data/raw/lmd_full.tar.gz

They print how fast a corpus is read, and MIDI converted, against named baselines.
"""


def spread(values: list[float], digits: int = 0) -> str:
    """A median with its quartiles."""
    low, middle, high = (f"{value:,.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def table(result: dict) -> str:
    """All that a result holds: a table for each machine and torch, if its rows tell them apart."""
    for key, lines_of in OTHER_TABLES.items():
        if key in result:
            return "\n".join([head_of(result), *lines_of(result)])
    groups: dict[tuple, list[dict]] = {}
    for row in rows_of(result):
        groups.setdefault(tuple(row["on"].get(key) for key in ("machine", "threads", "torch")), []).append(row)
    parts = []
    for rows in groups.values():
        latest = max((row["on"] for row in rows), key=lambda on: on["date"])
        parts.append("\n".join([head_of(latest), "", *(memory(rows) if "measured_mb" in rows[0] else race(rows))]))
    return "\n".join(["\n\n".join(parts), *faults(result.get("faults", [])), *covered(result.get("coverage", []))])


def head_of(on: dict) -> str:
    """Where and when something was measured, and at which commit if that is known."""
    commit = f", commit {on['commit']}" if "commit" in on else ""
    return f"{on['machine']}, threads: {on['threads']}, torch {on['torch']}, {on['date']}{commit}."


def race(rows: list[dict]) -> list[str]:
    """Lines on what was timed against a baseline."""
    lines = [
        "| | ours | baseline | | ratio | at most | utilisation: ours, baseline |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        used = row.get("utilisation")
        share = f"{row['ratio'][1] / used['ours']:.1f} | {used['ours']:.0%}, {used['baseline']:.0%}" if used else "|"
        rates = f"{spread(row['ours'])} {row['unit']} | {spread(row['baseline'])} | {row['against']}"
        lines.append(f"| {row['name']} | {rates} | **{spread(row['ratio'], 2)}** | {share} |")
    return lines


def memory(rows: list[dict]) -> list[str]:
    """Lines on how much memory training took, and was estimated to take: of a GPU, of its host too."""
    of_host = any("host_measured_mb" in row for row in rows)
    head = ["", "windows in a pass", "estimated", "measured", "estimated / measured"]
    lines = [[*head, *(["of the host: estimated, measured"] if of_host else [])]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        estimated, found = row["estimated_mb"], row["measured_mb"]
        words = [
            row["name"],
            row["windows_in_a_pass"],
            f"{estimated:,} MB",
            f"{found:,} MB",
            f"{estimated / found:.2f}",
        ]
        if of_host:
            words.append(f"{row['host_estimated_mb']:,} MB, {row['host_measured_mb']:,} MB")
        lines.append(words)
    return [f"| {' | '.join(map(str, words))} |" for words in lines]


def whole_studies(result: dict) -> list[str]:
    """Lines on what a study took before and after, rule by rule."""
    before, after = result["studies"]
    rules = {row["rule"]: ["", ""] for study in (after, before) for row in study["rules"]}
    for column, study in enumerate((before, after)):
        for row in study["rules"]:
            rules[row["rule"]][column] = f"{row['jobs']}: {row['seconds']:,.0f} s"
    figures = {
        "wall": "whole command",
        "cpu": "CPU seconds of all processes",
        "snakemake_cpu": "of them Snakemake's own",
        "again": "the same command again",
    }
    losses = result["losses"]
    return [
        f"Jobs and seconds by rule. The test losses of {losses['runs']} runs differ by at most"
        f" {losses['largest_difference']:.1g} nats.",
        "",
        f"| | before ({before['commit']}) | after ({after['commit']}) |",
        "|---|---|---|",
        *(f"| **{words}** | {before[name]:,.0f} s | {after[name]:,.0f} s |" for name, words in figures.items()),
        *(f"| {rule} | {one} | {two} |" for rule, (one, two) in rules.items()),
    ]


def plans(result: dict) -> list[str]:
    """Lines on what a plan said of finished training, and what that took."""
    return [
        "Planned by `python -m workflow.scripts.plan` on the same machine, in 20 seconds each.",
        "",
        "| | jobs | planned | paid | planned / paid |",
        "|---|---|---|---|---|",
        *(
            f"| {row['name']} | {row['jobs']} | {row['planned']:,.4g} {row['unit']} | {row['paid']:,.4g}"
            f" {row['unit']} | {row['planned'] / row['paid']:.2f} |"
            for row in result["plans"]
        ),
    ]


def ceilings(result: dict) -> list[str]:
    """Lines on the share of real tunes that pass each step, by the length that they were cut at."""
    rows = result["ceilings"]
    names = list(dict.fromkeys(name for row in rows for name in row["counts"]))
    shares = [
        [f"{row['counts'][name][0] / row['counts'][name][1]:.1%}" if name in row["counts"] else "" for name in names]
        for row in rows
    ]
    return [
        "Real tunes as `draw_real` draws them, cut as those of models and judged by the same steps; of bars, shares.",
        "",
        f"| | longest, tokens | tunes | {' | '.join(names).replace('_', ' ')} |",
        "|---" * (len(names) + 3) + "|",
        *(
            f"| {row['name']} | {row['tokens']:,} | {row['tunes']} | {' | '.join(some)} |"
            for row, some in zip(rows, shares, strict=True)
        ),
    ]


def kept_tunes(result: dict) -> list[str]:
    """Lines on the tunes that cleaning keeps legal and as they sound, and the first of those that it does not."""
    columns = result["columns"]
    return [
        "Each column counts tunes, of those in the column *legal before* but for the first.",
        "",
        f"| | {' | '.join(columns.values())} | time |",
        "|---" * (len(columns) + 2) + "|",
        *(
            f"| {row['name']} | {' | '.join(f'{row[column]:,}' for column in columns)} | {row['seconds']:,.0f} s |"
            for row in result["kept"]
        ),
        *(
            f"\n{example['fault']}, before and after:\n\n{block(example['before'])}\n\n{block(str(example['after']))}"
            for example in result["wrong"]
        ),
    ]


def round_trips(result: dict) -> list[str]:
    """Lines on what is kept of MIDI files, by each way to convert them."""
    measures = {"notes": "notes", "onsets": "and onsets", "lengths": "and lengths"}
    return [
        f"F1 of what abc2midi plays of the tune against the MIDI file, over {result['n_files']} files: by pitch, by"
        " pitch and onset within a 32nd, and by length within a 32nd too. *Kept*: share of all files with an F1 of at"
        f" least {result['good']}. Ours, without flags, is the default.",
        "",
        "| | tunes | characters |"
        + "".join(f" {words}: median | tenth percentile | kept |" for words in measures.values()),
        "|---" * (3 + 3 * len(measures)) + "|",
        *(
            f"| {row['name']} | {row['files']} | {row['characters']:,} |"
            + "".join(
                f" {row[name]['median']:.3f} | {row[name]['tenth']:.3f} | {row[name]['good']:.0%} |"
                for name in measures
            )
            for row in result["round_trips"]
        ),
    ]


def block(text: str) -> str:
    """A text as a block of code."""
    return f"~~~\n{text.rstrip()}\n~~~"


def faults(rows: list[dict]) -> list[str]:
    """Lines on what is found of faults that were put into tunes, if a result has them."""
    if not rows:
        return []
    return [
        "",
        "| tunes made | | expected tier | with a message of it | abc2midi reports an error |",
        "|---|---|---|---|---|",
        *(
            f"| {row['kind']}: {row['cls']} | {row['n']} | {row['expected']} | {row['found']} | {row['abc2midi']} |"
            for row in rows
        ),
    ]


# Lines on a result that is no race, by the key that it has.
OTHER_TABLES = {
    "studies": whole_studies,
    "plans": plans,
    "ceilings": ceilings,
    "kept": kept_tunes,
    "round_trips": round_trips,
    "forecasts": forecasts,
    "verdicts": verdicts,
    "bias": isoflop_bias,
}


def readme() -> str:
    parts = [HEAD]
    for (name, kind), title in SECTIONS.items():
        path = RESULTS / f"{name}-{kind}.json"
        result = read_json(path) if path.exists() else None
        command = f"python -m benchmarks.{name}{' --device cuda' if kind == 'cuda' else ''}"
        if result and not any("on" in row for row in result["rows"]):  # of one command, which the file names
            command = result["command"]
        command += PATHS[name]
        said = [table(result)] if result else [] if kind == "cuda" else ["Not run yet."]
        if kind == "cuda" and (waiting := gpu_page.waiting(name, result["rows"] if result else [])):
            said.append(waiting)
        parts.append("\n\n".join([f"\n## {title}", f"    {command}", *said]) + "\n")
    return "".join([*parts, TAIL])


def main() -> None:
    cli.parser(__doc__).parse_args()
    write_text(README, readme())
    write_text(speed_page.PAGE, speed_page.page())


if __name__ == "__main__":
    cli.run(main)
