"""A model card of a study: one page on its trained models, under the headings of Hugging Face's template."""

from collections.abc import Mapping, Sequence

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.tables import table
from workflow.scripts.figures.summary import leak_sentence, pooled, seconds_spent
from workflow.scripts.findings.headline import names_of
from workflow.scripts.manual.data_statement import over_represented

TRAINING = ("context_size", "warmup_steps", "beta1", "weight_decay", "grad_clip", "parametrization")
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
        configs: config.json of a run of each architecture.
        folder: where the runs are.
    """
    largest = runs[runs["tokens"] == runs["tokens"].max()]
    parts = [
        "---\ntags: [music, abc-notation, symbolic-music]\nlicense: other\n---",
        f"# Model card: {len(set(runs['model']))} models of music, as ABC notation",
        "Written by a rule from runs.csv, writing.csv, corpus.json and config.json of the study; do not edit.",
        "## Model details",
        *details(runs, configs, folder),
        USE,
        "## Training data",
        f"`{corpus['input']}`: {corpus['tunes']:,} tunes, {corpus['splits']['train']['tokens']:,} training tokens."
        " What most of it is:",
        "\n".join(f"- {said}" for said in over_represented(corpus)),
        "## Training procedure",
        *procedure(runs, configs),
        "## Evaluation",
        f"Loss on the whole test split, {corpus['splits']['test']['tunes']:,} tunes, in nats a character, with the 95%"
        " interval from resampling tunes. Shares of tunes as drawn, none selected, beside real tunes of the test split"
        " and n-grams of the training text.",
        results(largest, writing),
        *leak_sentence(corpus["leakage"]),
        "## Bias, risks and limitations",
        limits(runs, corpus),
        LICENCE,
        "\n".join(f"- `{source['path']}`: {source['licence'] or 'not stated'}" for source in corpus["sources"]),
    ]
    return "\n\n".join(parts) + "\n"


def details(runs: pd.DataFrame, configs: Sequence[Mapping], folder: str) -> list[str]:
    """What the models are, and how one is read."""
    kinds = names_of(sorted(set(runs["arch"])))
    shapes = runs.drop_duplicates("model").sort_values(["arch", "params"])
    rows = [
        [run.model, kinds[run.arch], f"{run.n_layer}×{run.n_embd}", f"{run.params_non_embedding:,}", f"{run.params:,}"]
        for run in shapes.itertuples()
    ]
    token = "a character" if runs["tokenizer"].iloc[0] == "char" else "a byte pair"
    weights = ", ".join(sorted({f"torch {config['training']['torch']}" for config in configs}))
    return [
        f"Decoder-only language models; a token is {token}. Each run's folder in `{folder}` has `model.safetensors`"
        f" and `config.json` ({weights}).",
        table(["model", "architecture", "layers × width", "parameters outside the embedding", "all"], rows),
        "```bash\npython -m workflow.scripts.sample --checkpoint_dir"
        f" {folder}/{shapes['model'].iloc[-1]}/{runs['tokens'].max()}-seed{runs['seed'].min()} --num_samples 5\n```",
    ]


def procedure(runs: pd.DataFrame, configs: Sequence[Mapping]) -> list[str]:
    """How they were trained, and what that took."""
    options = configs[0]["training"]["options"]
    rates = runs.drop_duplicates("arch")[["arch", "learning_rate"]].itertuples(index=False)
    budgets = ", ".join(f"{tokens:,}" for tokens in sorted(set(runs["tokens"])))
    minutes = seconds_spent(runs) / 60
    return [
        "\n".join(
            [
                f"- Tokens: {budgets}, with seeds {', '.join(map(str, sorted(set(runs['seed']))))}.",
                f"- Windows in a step: {configs[0]['training']['windows_per_step']}.",
                f"- {'; '.join(f'`{name}` {options[name]}' for name in TRAINING)}: `train --help` says what they are.",
                f"- Peak learning rate: {', '.join(f'{arch} {rate:g}' for arch, rate in rates)}.",
                f"- Precision: {', '.join(sorted(set(runs['precision'])))}.",
                f"- Compute: {runs['flops'].sum():.2g} FLOP, were each run trained by itself; {minutes:,.1f} minutes of"
                f" training on {', '.join(sorted(set(runs['device'])))}.",
            ]
        )
    ]


def results(largest: pd.DataFrame, writing: pd.DataFrame) -> str:
    """A row a writer: its loss at the largest budget, seeds together, and what its tunes are like."""
    own = writing[writing["prompt"].isna()]
    rows = []
    for writer, some in own.groupby("writer", sort=False):
        runs = largest[largest["model"] == writer]
        loss = ""
        if len(runs):
            mean = runs[["test_loss", "test_loss_low", "test_loss_high"]].mean()
            ends = f" [{mean.iloc[1]:.3f}, {mean.iloc[2]:.3f}]" if mean.notna().all() else ""
            loss = f"{mean.iloc[0]:.3f}{ends}"
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
