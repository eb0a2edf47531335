"""A trained model and a split of a corpus -> its loss, with intervals, by kind of tune and by place in a tune."""

import csv
import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.uncertainty import Mean, ratio_means
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import first_targets, score_tokens
from workflow.scripts.evaluation.strata import places, properties, strata
from workflow.scripts.models.stored import load_model

COLUMNS = ("tune", "tokens", "chars", "bytes", "nats", "source", "voices", "deflate")


@dataclass(frozen=True)
class Material:
    """A split to score, read once for all models.

    Attributes:
        tunes: ids of each tune, begin and end included.
        chars: (n_targets,) characters of each token but the first of each tune, tune after tune.
        columns: of the table by tune, all but its loss.
    """

    corpus: Corpus
    split: str
    tunes: list[np.ndarray]
    chars: np.ndarray
    columns: dict[str, np.ndarray]
    text_sha256: str

    @classmethod
    def read(cls, corpus: Corpus, split_name: str) -> "Material":
        split, tokenizer = corpus.split(split_name), corpus.tokenizer
        tunes = [split.tune(i) for i in range(split.n_tunes)]
        starts = first_targets(tunes)
        chars = tokenizer.chars_per_token[np.concatenate([tune[1:] for tune in tunes])]
        texts = [tokenizer.decode(tune) for tune in tunes]
        columns = {
            "tune": np.arange(len(tunes)),
            "tokens": np.diff(starts),
            "chars": np.add.reduceat(chars, starts[:-1]),
        } | properties(corpus, split_name, texts)
        return cls(corpus, split_name, tunes, chars, columns, hashlib.sha256("\0".join(texts).encode()).hexdigest())


def evaluate(
    checkpoint: str, material: Callable[[str], Material], split_name: str, device: torch.device, batch: int
) -> tuple[dict, dict[str, np.ndarray]]:
    """Summary of the loss of a model on a split, and the columns of its table by tune; without tunes if it diverged.

    Args:
        material: what to score, by the folder of the corpus that the model was trained on.

    Raises:
        InputError: the corpus has another vocabulary than the model.
    """
    model, tokenizer, training = load_model(checkpoint, device)
    if (step := training.get("diverged_at_step")) is not None:
        summary = {"split": split_name, "loss": None, "loss_se": None, "diverged_at_step": step}
        return summary, dict.fromkeys(COLUMNS, np.array([]))
    scored = material(training["data_dir"])
    corpus = scored.corpus
    if corpus.tokenizer != tokenizer:
        raise InputError(f"{checkpoint} was trained with another vocabulary than that of {corpus.folder}")
    nats = score_tokens(model, scored.tunes, device, batch=batch).astype(np.float64)
    if not np.isfinite(nats).all():
        raise InputError(f"{checkpoint} gives no finite loss: its weights are not those of a trained model")
    starts = first_targets(scored.tunes)
    table = scored.columns | {"nats": np.add.reduceat(nats, starts[:-1])}
    summary = summarise(split_name, table) | {
        "positions": by_place(nats, scored.chars, starts),
        "text_sha256": scored.text_sha256,
        "corpus_sha256": corpus.content_sha256,
        "trained_on_this_corpus": corpus.content_sha256 == training["corpus"],
    }
    return summary, table


def summarise(split_name: str, table: dict[str, np.ndarray]) -> dict:
    """What the table by tune says of all tunes and of each kind of them."""
    kinds = [(by, name, has) for by, named in strata(table, table["chars"]).items() for name, has in named.items()]
    masks = np.stack([np.ones(len(table["chars"])), *(has for _, _, has in kinds)], axis=1)
    chars = table["chars"][:, None] * masks
    whole, *means = ratio_means(table["nats"][:, None] * masks, chars)
    nats, tokens = math.fsum(table["nats"]), int(table["tokens"].sum())
    found: dict[str, list[dict]] = {}
    for (by, name, has), mean, size in zip(kinds, means, chars[:, 1:].sum(axis=0), strict=True):
        if has.any():
            found.setdefault(by, []).append({"name": name, "tunes": int(has.sum()), "chars": int(size)} | loss_of(mean))
    return {
        "split": split_name,
        "tunes": len(table["tune"]),
        "tokens": tokens,
        "chars": int(table["chars"].sum()),
        "bytes": int(table["bytes"].sum()),
        **loss_of(whole),
        "perplexity": math.exp(whole.value),
        "perplexity_ci95": whole.ci95 and [math.exp(end) for end in whole.ci95],
        "bits_per_char": whole.value / math.log(2),
        "bits_per_byte": nats / math.log(2) / int(table["bytes"].sum()),
        "loss_per_token": nats / tokens,
        "perplexity_per_token": math.exp(nats / tokens),
        "strata": found,
    }


def by_place(nats: np.ndarray, chars: np.ndarray, starts: np.ndarray) -> list[dict]:
    """Loss of each stretch of the tunes, by tokens from their start.

    Args:
        nats, chars: (n_targets,) of each token, tune after tune.
        starts: (n_tunes + 1,) where each tune's begin, then their number.
    """
    lengths = np.diff(starts)
    edges = places(int(lengths.max()))
    stretch = np.searchsorted(edges, np.arange(starts[-1]) - np.repeat(starts[:-1], lengths), side="right") - 1
    cell = np.repeat(np.arange(len(lengths)), lengths) * (len(edges) - 1) + stretch
    shape = len(lengths), len(edges) - 1
    sums, counts = (
        np.bincount(cell, weights, minlength=shape[0] * shape[1]).reshape(shape) for weights in (nats, chars)
    )
    return [
        {"start": int(start), "stop": int(stop), "tunes": int(np.count_nonzero(count)), "chars": int(count.sum())}
        | loss_of(mean)
        for start, stop, count, mean in zip(edges[:-1], edges[1:], counts.T, ratio_means(sums, counts), strict=True)
    ]


def loss_of(mean: Mean) -> dict:
    return {"loss": mean.value, "loss_se": mean.se, "loss_ci95": mean.ci95}


def table_of(columns: dict[str, np.ndarray]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rounded = columns | {"nats": columns["nats"].round(6)}
    rows.writerows(zip(*(rounded[name].tolist() for name in COLUMNS), strict=True))
    return text.getvalue()
