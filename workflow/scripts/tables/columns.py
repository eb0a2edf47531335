"""Which column of a stranger's table is which: as told, under our names, or under those that people use.

What was taken for what is said whenever a name is not ours, and whenever two columns could be meant.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.headings import Heading, heading

# Our names of each column, those of runs.csv and of published tables of optima among them; the first there is wins.
OURS = {
    "params": ("n_star", "params_non_embedding", "params"),
    "loss": ("loss_star", "test_loss", "loss"),
    "tokens": ("tok_star", "tokens"),
    "unique_tokens": ("unique_tokens",),
    "flops": ("flops",),
    "loss_se": ("test_loss_se", "loss_se"),
    "params_log_se": ("n_star_logstd", "params_log_se"),
    "size": ("model", "size"),
    "seed": ("seed",),
    "arch": ("arch",),
}
RUNS_CSV = {"model", "params", "params_non_embedding", "val_loss", "test_loss", "test_loss_se"}  # a study's has them

# What else people call them, in the words of `headings.plain`; earlier ones win.
USUAL = {
    "params": ("params nonembedding", "nonembedding", "params", "n", "model params", "trainable params",
               "backbone params", "active params", "n opt", "total params", "all params", "model size", "size",
               "model"),
    "tokens": ("tokens", "d", "train tokens", "tokens seen", "train tokens seen", "consumed tokens",
               "consumed train tokens", "processed tokens", "tokens read", "total tokens", "total train tokens",
               "tokens budget", "data tokens", "train data tokens", "data size tokens", "train data size tokens",
               "data size", "train data size", "d opt", "total tokens seen", "tokens so far"),
    "unique_tokens": ("unique tokens", "u", "distinct tokens", "unique train tokens", "unique data tokens"),
    "flops": ("flops", "c", "compute", "train flops", "train compute", "train compute flops", "compute flops",
              "total flops", "total train flops", "total compute", "total train compute", "compute budget",
              "flops budget", "c budget", "isoflop", "isoflop budget", "isoflops", "estimated c", "estimated flops"),
    "seed": ("seed", "random seed", "rng seed", "torch seed", "init seed", "data seed", "seed id", "trial",
             "replicate"),
    "size": ("size", "model name", "size name", "model size", "model", "scale", "variant"),
    "arch": ("arch", "architecture", "model arch", "model architecture", "model type", "model family", "family",
             "arch name", "architecture name"),
}  # fmt: skip
LOSSES = {
    "nats": ("loss", "l", "cross entropy", "crossentropy", "xent", "ce", "nll", "ce loss", "lm loss", "loss nll",
             "cross entropy loss", "log loss", "nats", "loss nats", "nats char", "nats tokens", "nats byte",
             "loss char", "loss tokens", "loss byte"),
    "ppl": ("perplexity", "perplexity loss", "perplexity tokens", "perplexity char"),
    "bits": ("bits", "bits char", "bits byte", "bits tokens", "bpc", "bpb", "bpt", "loss bits", "loss bpc",
             "loss bpb", "loss bits char", "loss bits byte", "loss bits tokens"),
}  # fmt: skip
PARTS = ("test", "", "heldout", "val", "eval", "train")  # of the data; losses of the first are taken first
# With one of these a loss is no loss, and a number of params not the model's.
OTHERWISE = {"se", "std", "var", "delta", "diff", "difference", "ratio", "embedding", "tokens", "flops", "weight",
             "aux", "auxiliary", "balance", "load", "z", "norm", "max", "min", "coef", "second", "low", "high", "lower",
             "upper", "ci", "layer", "step", "train"}  # fmt: skip
SHOWN = 12  # columns that a sentence lists
NEEDED = ("params", "loss")
AMOUNTS = ("params", "tokens", "unique_tokens", "flops")
PARAMS = {"params", "n", "nonembedding"}  # one of these in a name says that it is a number of parameters, no size's
LABELS = ("seed", "size", "arch")  # text
FLOP_A_PARAM = 1e5  # a budget of more for each parameter is FLOP: so many tokens for each are hardly ever read


class Taken(NamedTuple):
    """The column that one of our names was found in."""

    column: str
    scale: float = 1.0  # see `headings.Heading`
    unit: str = "nats"  # of a loss


def called(name: str, taken: Mapping[str, Taken]) -> str:
    """One of our names, with that of the column it was found in if that is another."""
    one = taken.get(name)
    return name if one is None or one.column in OURS[name] else f"{name} (column {short(one.column)})"


def parse_columns(text: str) -> dict[str, str]:
    """{our name: theirs} of words such as 'params=model/params,loss=eval/loss'; theirs may hold commas and =.

    Raises:
        InputError: it is no such list, or a name is not one of `OURS`, or is given twice.
    """
    given: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        name, equals, column = (word.strip() for word in part.partition("="))
        if not (equals and name and column):
            raise InputError(f"--columns {text!r} is no list of NAME=COLUMN, such as params=num_params,loss=eval/loss")
        if name in given:
            raise InputError(f"--columns gives {name} twice: {given[name]!r} and {column!r}")
        given[name] = column
    check_names(given)
    return given


def check_names(given: Mapping[str, str]) -> None:
    """
    Raises:
        InputError: one of the names is not one of `OURS`.
    """
    for name in given:
        if name not in OURS:
            raise InputError(f"--columns: {name!r} is no column that laws use; they use {', '.join(OURS)}")


def find_columns(
    header: Sequence[str],
    given: Mapping[str, str],
    group: str,
    numbers: Callable[[str], np.ndarray],
    where: str,
) -> tuple[dict[str, Taken], list[str]]:
    """The column that each of our names stands for, as far as there is one, and sentences that say so.

    Args:
        header: names of the columns; '' for one without a name.
        given: columns of some of our names, as the user told.
        group: column whose values are fitted apart; it stands for nothing else unless it is one of ours.
        numbers: (n,) numbers in a column, NaN where a cell is none.
        where: the file, for what is raised.

    Raises:
        InputError: there is no such column as was told; or params or loss is missing, or could be several.
    """
    check_names(given)
    taken: dict[str, Taken] = {}
    for name, column in given.items():
        if column not in header:
            raise InputError(f"{where} has no column {column!r}, given for {name}; {listing(header, [column])}")
        told = heading(column)
        taken[name] = Taken(column, told.scale, told.unit or kind_of_loss(told)[0] or "nats")
    headings = {name: heading(name) for name in header if name and (name != group or group in OURS)}
    said = []
    for name in OURS:
        if name in taken or (name == "arch" and group != "arch"):
            continue
        used = {one.column for other, one in taken.items() if other not in LABELS}
        free = {column: told for column, told in headings.items() if column not in used}
        found = candidates(name, free, taken, numbers)
        if name in NEEDED and (not found or is_train(found[0])):
            found = loosely(name, free, numbers, where) or found
        if not found:
            if name in NEEDED:
                raise InputError(missing(name, header, where))
            continue
        taken[name] = found[0]
        rivals = [one.column for one in found[1:] if could_be_meant(name, found[0], one)]
        if rivals or found[0].column not in OURS[name]:
            said.append(f"{name} from {short(found[0].column)}" + (f", not {listed(rivals)}" if rivals else ""))
    unsaid, doubts = of_budget_and_steps(headings, taken, numbers)
    if is_train(taken["loss"]) and "loss" not in given:
        doubts.append(f"{short(taken['loss'].column)} is a loss of training: that of data held out is higher")
    said += unsaid
    notes = [f"columns: {'; '.join(said)} (--columns takes others)"] if said and not set(header) >= RUNS_CSV else []
    return taken, notes + doubts


def candidates(
    name: str, free: Mapping[str, Heading], taken: Mapping[str, Taken], numbers: Callable[[str], np.ndarray]
) -> list[Taken]:
    """The columns that one of our names can stand for, the best first; losses of training come last."""
    ours = [Taken(column) for column in OURS[name] if column in free]
    ranked = []
    for place, (column, told) in enumerate(free.items()):
        if column in OURS[name]:
            continue
        unit = "nats"
        if name == "loss":
            unit, rank = kind_of_loss(told)
        elif name == "loss_se":
            of_loss = heading(taken["loss"].column).words
            rank = (
                0 if told.words - {"se"} in (set(), {"loss"}, {"test", "loss"}, of_loss) and "se" in told.words else -1
            )
        else:
            usual = [frozenset(words.split()) for words in USUAL.get(name, ())]
            rank = usual.index(told.words) if told.words in usual else -1
        if rank >= 0 and (name in LABELS or np.isfinite(numbers(column)).any()):
            ranked.append((rank, place, Taken(column, told.scale, unit)))
    return sorted(ours + [one for _, _, one in sorted(ranked)], key=lambda one: name == "loss" and is_train(one))


def kind_of_loss(told: Heading) -> tuple[str, int]:
    """(unit, rank) of a column of losses, the lower the better; ('', -1) if it is none."""
    parts = told.words & set(PARTS)
    if told.scale == 1 and len(parts) < 2:
        for order, (unit, names) in enumerate(LOSSES.items()):
            if any(told.words - parts == set(usual.split()) for usual in names):
                return told.unit or unit, (order > 0) * len(PARTS) + PARTS.index(next(iter(parts), ""))
    return "", -1


def is_train(one: Taken) -> bool:
    """Whether a column is a loss of training."""
    return "train" in heading(one.column).words


def could_be_meant(name: str, first: Taken, other: Taken) -> bool:
    """Whether another column could be meant as well: no loss of training, or in another unit, and no size's name."""
    if name == "loss":
        return first.unit == other.unit and is_train(other) == is_train(first)
    return name != "params" or bool(heading(other.column).words & PARAMS)


def loosely(name: str, free: Mapping[str, Heading], numbers: Callable[[str], np.ndarray], where: str) -> list[Taken]:
    """The only column whose name holds params, or loss, whatever else it holds; nothing if none does.

    Raises:
        InputError: there are several.
    """
    found = [
        Taken(column, told.scale, told.unit or "nats")
        for column, told in free.items()
        if name in told.words
        and not told.words & (OTHERWISE | set(NEEDED) - {name})
        and np.isfinite(numbers(column)).any()
    ]
    if len(found) > 1:
        columns = [one.column for one in found]
        raise InputError(f"{where}: {name} could be {listed(columns)}: --columns {name}=… says which")
    return found


def of_budget_and_steps(
    headings: Mapping[str, Heading], taken: dict[str, Taken], numbers: Callable[[str], np.ndarray]
) -> tuple[list[str], list[str]]:
    """Take a 'budget' for tokens or FLOP by its amount for each parameter; (what is taken for what, doubts about it).

    A run of so many FLOP as its budget reads C / (6 N) tokens: if `FLOP_A_PARAM` for each parameter or more, FLOP.
    """
    budget = next((name for name, told in headings.items() if told.words == {"budget"}), None)
    if budget and not {"tokens", "flops"} <= taken.keys() and np.isfinite(numbers(budget)).any():
        with np.errstate(all="ignore"):
            of_params = numbers(budget) * headings[budget].scale / numbers(taken["params"].column)
        each = float(np.median(of_params[np.isfinite(of_params)])) if np.isfinite(of_params).any() else np.nan
        name = "flops" if "tokens" in taken or ("flops" not in taken and each >= FLOP_A_PARAM) else "tokens"
        taken[name] = Taken(budget, headings[budget].scale)
        doubt = f"{short(budget)} is taken for {name}, by its size: about {each:.2g} for each parameter"
        return [f"{name} from {short(budget)}"], [doubt]
    if not taken.keys() & {"tokens", "flops"}:
        for name, told in headings.items():
            if "step" in told.words and told.words <= {"step", "global", "train", "total"}:
                return [], [f"{short(name)} counts steps, which are no tokens: tokens are taken as unknown"]
    return [], []


def missing(name: str, header: Sequence[str], where: str) -> str:
    """A sentence that says that a column is missing, which there are, the nearest, and how the table may be split."""
    named = [column for column in header if column]
    if len(named) == 1 and (split := re.search(r"\||:|\S\s+\S", named[0])):
        by = {"|": "|", ":": ":"}.get(split[0], "spaces")
        return (
            f"{where} has no column {name!r}: its header is one cell, {short(named[0])}, split by {by}? Commas, tabs "
            "and semicolons are read"
        )
    spellings = [name, *OURS[name], *(LOSSES["nats"] if name == "loss" else USUAL[name])]
    there = listing(header, spellings)
    return (
        f"{where} has no column {name!r}, nor one of a usual name for it; {there}: --columns {name}=… says which it is"
    )


def listing(header: Sequence[str], spellings: Sequence[str]) -> str:
    """Words that list the columns there are, and the nearest to any of these spellings."""
    named = [column for column in header if column]
    ratios = {column: max(likeness(column, spelling) for spelling in spellings) for column in named}
    nearest = max(named, key=lambda column: ratios[column])
    near = f", of which {short(nearest)} is nearest" if ratios[nearest] >= 0.6 else ""
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    columns = ", ".join(map(short, named[:SHOWN]))
    return f"it has {columns}{more}{near}"


def likeness(column: str, spelling: str) -> float:
    """How alike two names are, from 0 to 1, without their case and what stands between words."""
    first, second = (" ".join(re.findall(r"[a-z0-9]+", name.lower())[:8])[:60] for name in (column, spelling))
    return difflib.SequenceMatcher(None, first, second).ratio()


def short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:39] + "…")


def listed(names: Sequence[str]) -> str:
    shown = [short(name) for name in names[:4]]
    return shown[0] if len(names) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
