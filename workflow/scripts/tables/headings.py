"""What the heading of a column says: the words of its name in any spelling, and the unit that it gives.

'num_params', 'Params', '# params', 'model.nParams' and 'Parameters (M)' all speak of params, the last in millions.
"""

import re
from typing import NamedTuple

SCALES = {"k": 1e3, "thousand": 1e3, "thousands": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6,
          "millions": 1e6, "b": 1e9, "bn": 1e9, "g": 1e9, "billion": 1e9, "billions": 1e9, "t": 1e12, "tn": 1e12,
          "trillion": 1e12, "trillions": 1e12}  # fmt: skip
# Before 'FLOP', in a name of several words: 'TFLOPs' alone is more often a speed.
FLOP_SCALES = {"g": 1e9, "giga": 1e9, "t": 1e12, "tera": 1e12, "p": 1e15, "peta": 1e15, "e": 1e18, "exa": 1e18,
               "z": 1e21, "zetta": 1e21}  # fmt: skip
DAY = 86400.0  # seconds

# Words that are one word; then those that say no more than the rest of the name does.
SAME = {"param": "params", "parameter": "params", "parameters": "params", "prms": "params", "token": "tokens",
        "tok": "tokens", "toks": "tokens", "flop": "flops", "validation": "val", "valid": "val", "dev": "val",
        "evaluation": "eval", "training": "train", "trained": "train", "testing": "test", "losses": "loss",
        "ppl": "perplexity", "pplx": "perplexity", "perplexities": "perplexity", "stderr": "se", "sem": "se",
        "character": "char", "characters": "char", "chars": "char", "bytes": "byte", "bit": "bits", "nat": "nats",
        "layers": "layer", "steps": "step", "iterations": "step", "iteration": "step", "iters": "step",
        "iter": "step", "emb": "embedding", "embed": "embedding", "embeddings": "embedding", "nonemb": "nonembedding",
        "nonembed": "nonembedding", "dataset": "data", "est": "estimated", "unembedded": "nonembedding"}  # fmt: skip
EMPTY = {"num", "number", "no", "count", "of", "the", "in", "per", "summary", "metrics", "metric", "config", "hparams",
         "final", "last", "best", "end", "mean", "avg", "average", "run", "optim", "stats", "results"}  # fmt: skip
WITHOUT = {"non", "no", "not", "without", "wo", "excl", "excluding", "ex"}
COUNTED = {"params", "tokens", "flops", "nonembedding", "embedding"}  # an 'n' beside them is 'number of'

LOSS_UNITS = {"nats": ("nats",), "bits": ("bits", "bpc", "bpb", "bpt"), "ppl": ("perplexity",)}


class Heading(NamedTuple):
    """The name of a column, taken apart."""

    words: frozenset[str]
    scale: float = 1.0  # what its amounts are to be multiplied by, as 1e6 of 'params (M)'
    unit: str = ""  # of a loss, if it is told apart from the name: nats, bits or ppl


def heading(name: str) -> Heading:
    """The words of a name and the unit in it, whatever its case and whatever stands between the words."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    scale, unit = 1.0, ""
    if bracket := re.search(r"[(\[{]([^()\[\]{}]*)[)\]}]\s*$", text):
        scale, unit = told_unit(bracket[1])
        if scale != 1 or unit:
            text = text[: bracket.start()]
    words = re.findall(r"[a-z0-9]+", text.lower())
    if scale == 1 and len(words) > 1:
        words, scale = without_scale(words)
    return Heading(plain(words), scale, unit)


def told_unit(text: str) -> tuple[float, str]:
    """(scale, unit of loss) that words in brackets stand for; (1, '') if they are no unit."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    names = plain(words)
    for unit, spellings in LOSS_UNITS.items():
        if names & set(spellings):
            return 1.0, unit
    if power := re.fullmatch(r"[x×*]?\s*1e\+?(\d{1,2})(?:\s*\w+)?", text.strip().lower()):
        return 10.0 ** int(power[1]), ""
    if words and words[0] in SCALES and names <= COUNTED | {words[0]}:
        return SCALES[words[0]], ""
    prefixed = re.fullmatch(r"([a-z]*?)fl?o?p?s?[ -]?(days?)?", " ".join(words))
    if prefixed and prefixed[1] in FLOP_SCALES:
        return FLOP_SCALES[prefixed[1]] * (DAY if prefixed[2] else 1.0), ""
    return 1.0, ""


def without_scale(words: list[str]) -> tuple[list[str], float]:
    """Words without one that scales an amount, at the end ('tokens_b') or the beginning ('million params')."""
    if words[-1] in SCALES:
        return words[:-1], SCALES[words[-1]]
    if words[0] in SCALES and len(words[0]) > 2:
        return words[1:], SCALES[words[0]]
    for place, word in enumerate(words):
        prefixed = re.fullmatch(r"([a-z]+)flops?", word)
        if prefixed and prefixed[1] in FLOP_SCALES:
            return [*words[:place], "flops", *words[place + 1 :]], FLOP_SCALES[prefixed[1]]
    return words, 1.0


def plain(words: list[str]) -> frozenset[str]:
    """Words in one spelling, without those that say nothing."""
    names = {SAME.get(word, word) for word in words}
    if {"standard", "error"} <= names or {"std", "error"} <= names or {"std", "err"} <= names:
        names = names - {"standard", "std", "error", "err"} | {"se"}
    if {"held", "out"} <= names:
        names = names - {"held", "out"} | {"heldout"}
    if "embedding" in names and (names & WITHOUT or {"w", "o"} <= names):
        names = names - WITHOUT - {"w", "o", "embedding"} | {"nonembedding"}
    if names & COUNTED:
        names -= {"n"}
    return frozenset(names - EMPTY or names)
