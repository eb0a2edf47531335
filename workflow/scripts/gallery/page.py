"""The gallery as one page of HTML that asks for nothing else: its tunes as data, its scripts inside, abcjs among them.

What models wrote is data: it reaches the page as JSON and is put there as text. By the page's own policy no script runs
but those that it was made with, which it names by their hashes, and no request leaves.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from workflow.scripts.base import measures
from workflow.scripts.base.amounts import short
from workflow.scripts.findings.headline import names_of
from workflow.scripts.findings.written import name_of
from workflow.scripts.gallery.tunes import Shown
from workflow.scripts.gallery.writers import Writer
from workflow.scripts.pages.render import render, source

SCRIPTS = ("sound.js", "score.js", "card.js", "guess.js", "gallery.js")
STEPS = {  # what a card says of each step: its label, what it is, and what it is where it does not apply
    measures.SYNTAX: ("grammar", "keeps the grammar of ABC 2.1, and has a note", ""),
    measures.TOOLS: ("abc2midi", "the program abc2midi reports no error", ""),
    measures.COMPILES: ("compiles", "abc2midi makes a MIDI file with notes of it", ""),
    measures.MUSIC21: ("music21", "the program music21 reads it and finds notes", ""),
    measures.RHYTHM: ("bars", "every bar is as long as its meter says", "– without a meter"),
}
RATES = {  # columns of the overview
    measures.SYNTAX: "keep the grammar",
    measures.RHYTHM: "every bar right",
    measures.COPIED: "copies",
}


def gallery(writers: Iterable[Writer], findings: Sequence[str], study: str, abcjs: str) -> str:
    """The page.

    Args:
        findings: sentences on what the study found, as fit.json has them.
        study: its name, for the title and for the reader's own score.
        abcjs: the library's script.
    """
    shown = sorted(
        writers, key=lambda writer: (order_of(writer), writer.arch, writer.size or 0, len(writer.name), writer.name)
    )
    names = names_of(sorted({writer.arch for writer in shown if writer.arch}))
    steps = [dict(zip(("label", "why", "none"), words, strict=True)) for words in STEPS.values()]
    data = {
        "study": study,
        "steps": dict(zip(STEPS, steps, strict=True)),
        "prompts": prompts_of(shown),
        "writers": [as_data(writer, names) for writer in shown],
    }
    scripts = [Markup(abcjs), *(source(f"gallery/{name}") for name in SCRIPTS)]
    return render(
        "gallery/index.html.j2",
        study=study,
        findings=[*(with_names(sentence, names) for sentence in findings), *said_of_writing(shown, names)],
        sizes=sizes_of(shown),
        rates=list(RATES.values()),
        rows=[overview(writer, names) for writer in shown],
        steps=steps,
        most=max(len(writer.tunes) for writer in shown),
        data=Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")),
        scripts=scripts,
        policy=" ".join(f"'{digest(script)}'" for script in scripts),
    )


def with_names(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence of fit.json, with architectures called as the page calls them."""
    return re.sub(r"\w+", lambda word: names.get(word[0].lower(), word[0]) if word[0].isupper() else word[0], sentence)


def order_of(writer: Writer) -> int:
    """Models first, then real tunes, then n-grams."""
    return 0 if writer.arch else 1 if writer.name == "real" else 2


def digest(script: str) -> str:
    """How a content security policy names an inline script that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def sizes_of(writers: Iterable[Writer]) -> str:
    """From how small to how large the models are."""
    sizes = sorted(writer.size for writer in writers if writer.size is not None)
    return f"{short(sizes[0])} to {short(sizes[-1])} parameters" if sizes else "no size"


def title_of(writer: Writer, names: Mapping[str, str]) -> str:
    """What a writer is called: by its kind and size, or what it is if it is no model."""
    if writer.size is not None:
        return f"{names[writer.arch]}, {short(writer.size)} parameters"
    return name_of(writer.name).capitalize()


def note_of(writer: Writer) -> str:
    """What else is said of a writer."""
    if writer.size is None or writer.tokens is None:
        return "held out, cut at the same length" if writer.name == "real" else "of characters of the training text"
    return f"{writer.name}: read {short(writer.tokens)} tokens; test loss {writer.loss:.3f} nats a character"


def as_data(writer: Writer, names: Mapping[str, str]) -> dict:
    return {
        "name": writer.name,
        "title": title_of(writer, names),
        "note": note_of(writer),
        "kind": "model" if writer.arch else "real" if writer.name == "real" else "ngram",
        "group": names.get(writer.arch, "For comparison"),
        "tunes": [tune_as_data(tune) for tune in writer.tunes],
        "prompts": {name: [tune_as_data(tune) for tune in tunes] for name, tunes in writer.prompts.items()},
    }


def tune_as_data(tune: Shown) -> dict:
    data: dict = {"index": tune.index, "abc": tune.text, "prompt": tune.prompt_chars, "judged": tune.judged_chars}
    data["marks"] = [[mark.start, mark.end, mark.tier, mark.message] for mark in tune.marks]
    data["steps"] = {
        name: tune.steps[name]
        for name in STEPS
        if name in tune.steps and (name == measures.RHYTHM or tune.steps[name] is not None)
    }
    if tune.copied:
        data["copied"] = copied_as_data(tune.copied)
    return data


def copied_as_data(copied: Mapping) -> dict | None:
    """The nearest training tune, as written or in another key, and the longest stretch of any."""
    alike = [
        (copied[likeness], copied[which]["source"])
        for likeness, which in (
            (measures.SIMILARITY, "nearest"),
            (measures.TRANSPOSED_SIMILARITY, "transposed_nearest"),
        )
        if copied[likeness] is not None and copied[which]
    ]
    if not alike:
        return None
    likeness, nearest = max(alike)
    stretch = copied[measures.LCS_SHARE]
    return {
        "is_copy": copied[measures.COPIED],
        "similarity": likeness,
        "nearest": nearest,
        "stretch": stretch,
        "stretch_of": copied["lcs_tune"]["source"] if copied["lcs_tune"] else None,
    }


def prompts_of(writers: Iterable[Writer]) -> dict[str, str]:
    """The prompts that some model went on from, as text."""
    return {
        name: tunes[0].text[: tunes[0].prompt_chars]
        for writer in writers
        for name, tunes in writer.prompts.items()
        if tunes
    }


def overview(writer: Writer, names: Mapping[str, str]) -> dict:
    """A row of the page's first table."""
    row = writer.row
    return {
        "name": writer.name,
        "title": title_of(writer, names),
        "tokens": "" if writer.tokens is None else short(writer.tokens),
        "loss": "" if writer.loss is None else f"{writer.loss:.3f}",
        "judged": int(row["samples"]),
        "rates": [rate_words(row, rate) for rate in RATES],
        "tunes": [
            {
                "index": tune.index,
                "grammar": bool(tune.steps.get(measures.SYNTAX)),
                "bars": bool(tune.steps.get(measures.RHYTHM)),
            }
            for tune in writer.tunes
        ],
    }


def rate_words(row: Mapping, rate: measures.Rate) -> dict | None:
    """A rate and its 95% interval; None if nothing was judged."""
    if not row.get(rate.n) or row[rate.rate] != row[rate.rate]:
        return None
    return {"value": f"{row[rate.rate]:.0%}", "interval": f"{row[rate.low]:.0%} to {row[rate.high]:.0%}"}


def said_of_writing(writers: Sequence[Writer], names: Mapping[str, str]) -> list[str]:
    """What is written by the largest model of each architecture, people and the longest n-gram, a sentence for each."""
    largest: dict[str, Writer] = {writer.arch: writer for writer in writers if writer.arch}  # the last is the largest
    people, last = [writer for writer in writers if writer.name == "real"], writers[-1]  # the longest n-gram, if any
    said = []
    for writer in {writer.name: writer for writer in (*largest.values(), *people, last)}.values():
        grammar, bars = (rate_words(writer.row, rate) for rate in (measures.SYNTAX, measures.RHYTHM))
        if grammar and bars:
            said.append(
                f"{title_of(writer, names)}: of {int(writer.row['samples'])} tunes {grammar['value']} keep the grammar"
                f" [{grammar['interval']}], {bars['value']} have every bar right [{bars['interval']}]."
            )
    return said
