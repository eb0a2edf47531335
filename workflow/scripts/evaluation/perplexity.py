"""A trained model and a split of a corpus -> its loss, with intervals, by stratum and by position in a tune.

Needs the weights of a model and a corpus that `prepare` wrote; makes what perplexity.json and perplexity_tunes.csv
hold. A loss is in nats a character: the losses of the tokens of some tunes (or of a part of each), summed, over the
characters of these tokens, where the end of a tune counts as one character.
"""

import csv
import hashlib
import io
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.uncertainty import Mean, ratio_means
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import first_targets, score_tokens
from workflow.scripts.evaluation.strata import position_edges, stratify, tune_properties
from workflow.scripts.models.stored import load_model

COLUMNS = ("tune", "tokens", "chars", "bytes", "nats", "source", "voices", "deflate")


@dataclass(frozen=True)
class EvaluationSet:
    """The tunes of a split, as all models are scored on them.

    Attributes:
        tunes: ids of each tune, begin and end included.
        starts: (n_tunes + 1,) index of each tune's first target, then n_targets.
        chars: (n_targets,) characters of each token but the first of each tune, tune after tune.
        columns: of the table by tune, all but its loss: (n_tunes,) each.
        text_sha256: of the tunes' text; models of equal ones can be compared.
    """

    corpus: Corpus
    split: str
    tunes: list[np.ndarray]
    starts: np.ndarray
    chars: np.ndarray
    columns: dict[str, np.ndarray]
    text_sha256: str

    @classmethod
    def read(cls, corpus: Corpus, split_name: str) -> "EvaluationSet":
        """A split of a corpus.

        Raises:
            InputError: the files of the corpus disagree.
        """
        split, tokenizer = corpus.split(split_name), corpus.tokenizer
        tunes = [split.tune(i) for i in range(split.n_tunes)]
        starts = first_targets(tunes)
        chars = tokenizer.chars_per_token[np.concatenate([tune[1:] for tune in tunes])]
        texts = [tokenizer.decode(tune) for tune in tunes]
        columns = {
            "tune": np.arange(len(tunes)),
            "tokens": np.diff(starts),
            "chars": np.add.reduceat(chars, starts[:-1]),
        } | tune_properties(corpus, split_name, texts)
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        return cls(corpus, split_name, tunes, starts, chars, columns, digest)


class Evaluation(NamedTuple):
    """What was found of one model: the content of perplexity.json, and `COLUMNS`, one value of each a tune."""

    summary: dict
    table: dict[str, np.ndarray]


@dataclass
class Evaluator:
    """Scores models on one split; a corpus is read once for all of them.

    Attributes:
        batch_size: windows of a Transformer, or tunes of an LSTM, in one forward pass.
        data_dir: corpus to score, or None for that which each model was trained on.
    """

    split: str
    device: torch.device
    batch_size: int
    data_dir: str | None = None
    sets: dict[str, EvaluationSet] = field(default_factory=dict, init=False)

    def evaluate(self, checkpoint: str) -> Evaluation:
        """Loss of a model, from its folder or weights file; of one whose run diverged null, and no tunes.

        Raises:
            InputError: there is no such model or corpus, or the model has another vocabulary, or gives no finite loss.
        """
        model, tokenizer, training = load_model(checkpoint, self.device)
        if (step := training.get("diverged_at_step")) is not None:
            summary = {"split": self.split, "loss": None, "loss_se": None, "diverged_at_step": step}
            return Evaluation(summary, dict.fromkeys(COLUMNS, np.array([])))
        scored = self.evaluation_set(self.data_dir or training["data_dir"])
        corpus = scored.corpus
        if corpus.tokenizer != tokenizer:
            raise InputError(f"{checkpoint} was trained with another vocabulary than that of {corpus.folder}")
        nats = score_tokens(model, scored.tunes, self.device, batch=self.batch_size).astype(np.float64)
        if not np.isfinite(nats).all():
            raise InputError(f"{checkpoint} gives no finite loss: its weights are not those of a trained model")
        table = scored.columns | {"nats": np.add.reduceat(nats, scored.starts[:-1])}
        summary = summarise(self.split, table) | {
            "positions": loss_by_position(nats, scored.chars, scored.starts),
            "text_sha256": scored.text_sha256,
            "corpus_sha256": corpus.content_sha256,
            "trained_on_this_corpus": corpus.content_sha256 == training["corpus"],
        }
        return Evaluation(summary, table)

    def evaluation_set(self, data_dir: str) -> EvaluationSet:
        """The split of the corpus in a folder."""
        if data_dir not in self.sets:
            self.sets[data_dir] = EvaluationSet.read(Corpus.load(data_dir), self.split)
        return self.sets[data_dir]


def summarise(split_name: str, table: dict[str, np.ndarray]) -> dict:
    """What the table by tune says of all tunes and of each stratum."""
    whole, by_stratum = loss_by_stratum(table)
    nats, tokens, n_bytes = math.fsum(table["nats"]), int(table["tokens"].sum()), int(table["bytes"].sum())
    return {
        "split": split_name,
        "tunes": len(table["tune"]),
        "tokens": tokens,
        "chars": int(table["chars"].sum()),
        "bytes": n_bytes,
        **loss_fields(whole),
        "perplexity": math.exp(whole.value),
        "perplexity_ci95": whole.ci95 and [math.exp(end) for end in whole.ci95],
        "bits_per_char": whole.value / math.log(2),
        "bits_per_byte": nats / math.log(2) / n_bytes,
        "loss_per_token": nats / tokens,
        "perplexity_per_token": math.exp(nats / tokens),
        "strata": by_stratum,
    }


def loss_by_stratum(table: dict[str, np.ndarray]) -> tuple[Mean, dict[str, list[dict]]]:
    """(loss of all tunes, by property the loss of each stratum that has tunes), in one pass over the resamples."""
    strata = [
        (by, name, members) for by, named in stratify(table, table["chars"]).items() for name, members in named.items()
    ]
    masks = np.stack([np.ones(len(table["chars"])), *(members for _, _, members in strata)], axis=1)
    chars = table["chars"][:, None] * masks
    whole, *means = ratio_means(table["nats"][:, None] * masks, chars)
    found: dict[str, list[dict]] = {}
    for (by, name, members), mean, size in zip(strata, means, chars[:, 1:].sum(axis=0), strict=True):
        if members.any():
            sizes = {"tunes": int(members.sum()), "chars": int(size)}
            found.setdefault(by, []).append({"name": name} | sizes | loss_fields(mean))
    return whole, found


def loss_by_position(nats: np.ndarray, chars: np.ndarray, starts: np.ndarray) -> list[dict]:
    """Loss of each stretch of the tunes, by tokens from their start.

    Args:
        nats, chars: (n_targets,) of each token, tune after tune.
        starts: (n_tunes + 1,) index of each tune's first target, then n_targets.
    """
    lengths = np.diff(starts)
    edges = position_edges(int(lengths.max()))
    positions = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    stretches = np.searchsorted(edges, positions, side="right") - 1
    shape = len(lengths), len(edges) - 1
    cells = np.repeat(np.arange(len(lengths)), lengths) * shape[1] + stretches
    sums, counts = (
        np.bincount(cells, weights, minlength=shape[0] * shape[1]).reshape(shape) for weights in (nats, chars)
    )
    return [
        {"start": int(start), "stop": int(stop), "tunes": int(np.count_nonzero(count)), "chars": int(count.sum())}
        | loss_fields(mean)
        for start, stop, count, mean in zip(edges[:-1], edges[1:], counts.T, ratio_means(sums, counts), strict=True)
    ]


def loss_fields(mean: Mean) -> dict:
    """A mean loss as perplexity.json has it."""
    return {"loss": mean.value, "loss_se": mean.se, "loss_ci95": mean.ci95}


def tunes_csv(table: dict[str, np.ndarray]) -> str:
    """The text of perplexity_tunes.csv; losses are summed over a tune, in nats, to six decimals."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rounded = table | {"nats": table["nats"].round(6)}
    rows.writerows(zip(*(rounded[name].tolist() for name in COLUMNS), strict=True))
    return text.getvalue()
