"""The page on what models learn from: of each corpus where it comes from, what it holds and what it has too much of."""

from collections.abc import Mapping

from workflow.scripts.base.tables import table
from workflow.scripts.figures.summary import corpus_table, leak_sentence

HEAD = """# Data statement

Written by `snakemake --cores 1 docs/data-statement.md` from the `corpus.json` of each study; do not edit.

What a model writes, and how well it does, is a matter of these corpora: no number of ours holds for music as such.
Neither is a sample of the world's music. Each is what some collectors wrote down in staff notation and others
encoded as ABC, for ends of their own. Who encoded what, and on which terms, is in
[data/README.md](../data/README.md). Nothing was collected or labelled for this repository.

Performances are not in them: the notation has no timbre, and hardly any timing or dynamics. Cleaning takes out
lyrics, comments and the fields about a tune, such as its source and transcriber ([corpus.md](corpus.md)). Titles
are kept, and some name people.

A low loss over all test tunes need not hold for each tradition: `strata.csv` of a study has the loss by source.
"""


def page(corpora: Mapping[str, tuple[str, Mapping]]) -> str:
    """The page.

    Args:
        corpora: by heading: how a corpus is retrieved, and its ``corpus.json``.
    """
    parts = [HEAD.strip(), *(part for title, (how, corpus) in corpora.items() for part in section(title, how, corpus))]
    return "\n\n".join(parts) + "\n"


def section(title: str, how: str, corpus: Mapping) -> list[str]:
    """What is said of one corpus."""
    rejected = ", ".join(f"{count:,} `{reason}`" for reason, count in corpus["rejected"].items()) or "nothing"
    rows = [
        [
            "files in the folder itself" if name == "." else name,
            f"{source['tunes']:,}",
            f"{source['chars'] / corpus['chars']:.1%}",
            f"{source['median_bits_per_char_of_a_tune']:.2f}",
        ]
        for name, source in sorted(corpus["audit"]["sources"].items(), key=lambda item: -item[1]["chars"])
    ]
    return [
        f"## {title}",
        f"**Retrieval.** {how}",
        f"**Content.** {corpus['tunes']:,} tunes and {corpus['chars']:,} characters of {corpus['files']:,} files, in"
        f" {corpus['distinct_chars']} distinct characters. Left out, by the reasons of `quarantine.csv`: {rejected}."
        f" The SHA-256 of what is left begins with `{corpus['content_sha256'][:12]}`.",
        table(["source", "tunes", "share of the characters", "bits a character of the median tune, by zstd"], rows),
        "**What is over-represented.**",
        "\n".join(f"- {said}" for said in over_represented(corpus)),
        "**Splits.**",
        corpus_table(dict(corpus)),
        *leak_sentence(corpus["leakage"]),
    ]


def over_represented(corpus: Mapping) -> list[str]:
    """Sentences on what most of a corpus is."""
    audit, tunes = corpus["audit"], corpus["tunes"]
    name, source = max(audit["sources"].items(), key=lambda item: item[1]["chars"])
    chars = source["chars"] / corpus["chars"]
    said = [
        f"`{name}` has {chars:.0%} of the characters and {source['tunes'] / tunes:.0%} of the tunes.",
        f"{audit['voices'].get('1', 0) / tunes:.1%} of the tunes have one voice.",
    ]
    for what, counts in (("in the key", audit["keys"]), ("in the meter", audit["meters"])):
        common = sorted(counts.items(), key=lambda item: -item[1])[:2]
        said.append(f"{' and '.join(f'{count / tunes:.0%} are {what} {value}' for value, count in common)}.")
    length = audit["length"]
    said.append(
        f"Half of the tunes have at most {length['50%']:,.0f} characters, and 95% at most {length['95%']:,.0f}."
    )
    return said
