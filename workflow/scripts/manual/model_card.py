"""A model card of a study: one page on its trained models, under the headings of Hugging Face's template."""

from collections.abc import Mapping, Sequence

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.tables import table
from workflow.scripts.figures.summary import leak_sentence, pooled, seconds_spent
from workflow.scripts.findings.headline import names_of
from workflow.scripts.findings.written import unprompted
from workflow.scripts.manual.data_statement import over_represented

TRAINING = ("windows_per_step", "context_size", "warmup_steps", "beta1", "weight_decay", "grad_clip", "parametrization")
WRITTEN = {
    "keep the grammar of ABC": measures.SYNTAX,
    "compile to MIDI": measures.COMPILES,
    "have every bar as long as its meter": measures.RHYTHM,
    "are copied": measures.COPIED,
}
USE = """## Uses

**Direct use.** Research on how loss and the validity of tunes change with size, tokens and architecture; and as a small
example of the whole way from tunes to a model that writes some.

**Out of scope.** Tunes for an audience that no musician has looked at, imitation of living people's work, and claims on
music as such."""
LICENCE = """## Licence

The code is under the MIT licence. The weights, and what they write, may fall under the terms of the corpus:"""


def card(runs: pd.DataFrame, writing: pd.DataFrame, corpus: Mapping, configs: Sequence[Mapping], folder: str) -> str:
    """The page.

    Args:
        runs, writing, corpus: of the study: runs.csv, writing.csv and corpus.json.
        configs: config.json of runs, if they are here.
        folder: where the runs are.
    """
    own = unprompted(writing)
    parts = [
        "---\ntags: [music, abc-notation, symbolic-music]\nlicense: other\n---",
        f"# Model card: {len(set(runs['model']))} models of music, as ABC notation",
        "Written by a rule from runs.csv, writing.csv, corpus.json and config.json of the study; do not edit.",
        "## Model details",
        *details(runs, own, folder),
        USE,
        "## Training data",
        f"`{corpus['input']}`: {corpus['tunes']:,} tunes, {corpus['splits']['train']['tokens']:,} training tokens."
        " What most of it is:",
        "\n".join(f"- {said}" for said in over_represented(corpus)),
        "## Training procedure",
        "\n".join(f"- {said}." for said in procedure(runs, configs)),
        "## Evaluation",
        f"Loss on the whole test split, {corpus['splits']['test']['tunes']:,} tunes, in nats a character, with the 95%"
        " interval from resampling tunes. Shares of tunes as drawn, none selected, beside real tunes of the test split"
        " and n-grams of the training text.",
        results(runs, own),
        *leak_sentence(dict(corpus["leakage"])),
        "## Bias, risks and limitations",
        limits(runs, corpus),
        LICENCE,
        "\n".join(f"- `{source['path']}`: {source['licence'] or 'not stated'}" for source in corpus["sources"]),
    ]
    return "\n\n".join(parts) + "\n"


def details(runs: pd.DataFrame, own: pd.DataFrame, folder: str) -> list[str]:
    """What the models are, and how one is read."""
    kinds = names_of(sorted(set(runs["arch"])))
    rows = [
        [run.model, kinds[run.arch], f"{run.n_layer}×{run.n_embd}", f"{run.params_non_embedding:,}", f"{run.params:,}"]
        for run in runs.drop_duplicates("model").sort_values(["arch", "params"]).itertuples()
    ]
    token = "a character" if runs["tokenizer"].iloc[0] == "char" else "a byte pair"
    models = own[own["arch"].notna()]
    largest = models.sort_values(["params_non_embedding", "seed"], ascending=[False, True]).iloc[0]
    return [
        f"Decoder-only language models; a token is {token}. Each run's folder in `{folder}` has `model.safetensors` and"
        " `config.json`.",
        table(["model", "architecture", "layers × width", "parameters outside the embedding", "all"], rows),
        "```bash\npython -m workflow.scripts.sample --checkpoint_dir"
        f" {folder}/{largest['writer']}/{largest['tokens']:.0f}-seed{largest['seed']:.0f} --num_samples 5\n```",
    ]


def procedure(runs: pd.DataFrame, configs: Sequence[Mapping]) -> list[str]:
    """How they were trained, and what that took."""
    said = [
        f"Tokens: {', '.join(f'{tokens:,}' for tokens in sorted(set(runs['tokens'])))}, with seeds"
        f" {', '.join(map(str, sorted(set(runs['seed']))))}"
    ]
    for training in [config["training"] for config in configs[:1]]:
        options = {"windows_per_step": training["windows_per_step"], **training["options"]}
        said.append(f"{'; '.join(f'`{name}` {options[name]}' for name in TRAINING)}; with torch {training['torch']}")
    for arch, some in runs.groupby("arch"):
        said.append(f"Peak learning rate of {arch}: {', '.join(f'{r:g}' for r in sorted(set(some['learning_rate'])))}")
    minutes = seconds_spent(runs) / 60
    said.append(f"Precision: {', '.join(sorted(set(runs['precision'])))}")
    said.append(
        f"Compute: {runs['flops'].sum():.2g} FLOP, were each run trained by itself; {minutes:,.1f} minutes of training"
        f" on {', '.join(sorted(set(runs['device'])))}"
    )
    return said


def results(runs: pd.DataFrame, own: pd.DataFrame) -> str:
    """A row a writer: its loss at the budget that it wrote at, seeds together, and what its tunes are like."""
    rows = []
    for writer, some in own.groupby("writer", sort=False):
        wrote = runs[(runs["model"] == writer) & runs["tokens"].isin(some["tokens"])]
        mean = wrote[["test_loss", "test_loss_low", "test_loss_high"]].mean()
        ends = f" [{mean.iloc[1]:.3f}, {mean.iloc[2]:.3f}]" if mean.notna().all() else ""
        loss = f"{mean.iloc[0]:.3f}{ends}" if len(wrote) else ""
        rows.append([str(writer), loss, f"{some['samples'].sum()}", *(pooled(some, rate) for rate in WRITTEN.values())])
    return table(["writer", "test loss", "tunes", *WRITTEN], rows)


def limits(runs: pd.DataFrame, corpus: Mapping) -> str:
    """What they cannot do, as the numbers show it."""
    longest = int(runs["block_size"].max())
    return "\n".join(
        [
            f"- They were trained on windows of {longest:,} tokens, not on how parts further apart belong together.",
            f"- They know the {corpus['distinct_chars']} characters of their corpus and no others.",
            "- A tune that programs accept need not be good music, and the table says how many they refuse.",
            "- Copies of training tunes are measured, not prevented: `copying.json` of a run has each tune.",
            "- One corpus, one split: other music has other losses.",
        ]
    )
