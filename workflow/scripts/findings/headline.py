"""What a registered forecast came to, for the figure and the page that show it first: numbers, and one sentence.

Needs what registered.json holds and, once runs of its targets are measured, what forecast.json does.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

NAMES = {"modern": "Transformer", "gpt": "Transformer", "lstm_muon": "LSTM", "lstm": "LSTM"}
NONE = "No forecast is registered"
DIGITS = 7  # of a commit, as git shortens it

End = float | None


class Told(NamedTuple):
    """A forecast of one run, and what came of it.

    Attributes:
        law: that it is by, a key of fit.json.
        pi95: 95% interval; an end may be open.
        observed: None before the run is measured; and with it the next two.
        error: forecast / observed - 1.
        inside: whether the interval held it.
    """

    model: str
    arch: str
    params: int
    tokens: int
    flops: int
    times_flops: float
    law: str
    loss: float
    pi95: tuple[End, End]
    observed: float | None
    error: float | None
    inside: bool | None

    @property
    def run(self) -> tuple[str, int]:
        """Which run it is of."""
        return self.model, self.tokens


class Headline(NamedTuple):
    """The forecasts that count: of each target the last that was registered before its outcome was known.

    Attributes:
        targets: ascending in FLOP.
        made: day of the registrations that they are of, the first and the last if these differ.
        commit: a few digits of the commit that holds them, or else of the one that they were made at; may be empty.
        registrations: how many there are in all.
        first: of each target that was forecast more than once before its outcome was known, the first forecast; in the
            order of ``targets``.
    """

    targets: list[Told]
    made: str
    commit: str
    registrations: int
    first: Sequence[Told] = ()

    @property
    def earliest(self) -> list[Told]:
        """The first forecast of each target."""
        again = {one.run: one for one in self.first}
        return [again.get(target.run, target) for target in self.targets]


def headline(registered: Mapping, forecast: Mapping | None) -> Headline:
    """The forecasts that count, each with its outcome if it is known."""
    scored = forecast["registrations"] if forecast else []
    found: dict[tuple[str, int], tuple[str, str, Told]] = {}
    first: dict[tuple[str, int], Told] = {}
    for i, one in enumerate(registered["registrations"]):
        outcomes = (
            {(target["model"], target["tokens"]): target for target in scored[i]["targets"]} if i < len(scored) else {}
        )
        for target in one["targets"]:
            key = target["model"], target["tokens"]
            if not target["after_outcome"]:
                found[key] = one["made"][:10], one["commit"], told(target, outcomes.get(key, {}))
                first.setdefault(key, found[key][2])
    days = sorted({day for day, *_ in found.values()})
    commit = (forecast or {}).get("commit") or next((commit for _, commit, _ in reversed(found.values())), "")
    targets = sorted((target for *_, target in found.values()), key=lambda target: (target.flops, target.arch))
    made = " and ".join(dict.fromkeys((days[0], days[-1]))) if days else ""
    again = [first[target.run] for target in targets if first[target.run] != target]
    return Headline(targets, made, commit[:DIGITS], len(registered["registrations"]), again)


def told(target: Mapping, outcome: Mapping) -> Told:
    """A target of registered.json beside what forecast.json says of it, if anything."""
    return Told(
        target["model"], target["arch"], target["params"], target["tokens"], target["flops"], target["times_flops"],
        target["told"], target["loss"], tuple(target["pi95"]),
        outcome.get("observed"), outcome.get("error"), outcome.get("inside"),
    )  # fmt: skip


def names_of(archs: Sequence[str]) -> dict[str, str]:
    """What architectures are called: by their kind, unless two are of one."""
    kinds = [NAMES.get(arch, arch.upper()) for arch in archs]
    return {arch: kind if kinds.count(kind) == 1 else arch.upper() for arch, kind in zip(archs, kinds, strict=True)}


def times(factor: float) -> str:
    """A factor as it is told: 31.6 -> 32, 3.16 -> 3.2."""
    return f"{factor:.0f}" if factor >= 10 else f"{factor:.2g}"


def sentence(head: Headline, by_arch: bool = True) -> str:
    """What happened, in one sentence without its end; errors of each architecture, or the largest of all."""
    targets, known = head.targets, measured(head.earliest)
    if not targets:
        return "No forecast was registered before its runs were trained" if head.registrations else NONE
    if not known:
        return f"Forecasts registered {head.made}; the runs come next"
    inside = how_many_inside(known)
    said = f"Registered forecasts at {reach(known)} times the compute: off by {errors(known, by_arch)}, {inside}"
    runs = {one.run for one in head.first}
    if again := [target for target in measured(targets) if target.run in runs]:
        said += f"; again from more runs, at {reach(again)} times: {errors(again, by_arch)}, {how_many_inside(again)}"
    return said


def whole_sentence(head: Headline) -> str:
    """The same with how many runs are still to come, where some are measured."""
    targets, known = head.targets, measured(head.targets)
    count = len(targets) - len(known)
    if not known or not count:
        return sentence(head)
    return f"{sentence(head)}; {count} of {len(targets)} runs {'is' if count == 1 else 'are'} not measured yet"


def measured(targets: Sequence[Told]) -> list[Told]:
    """The forecasts whose outcome is known."""
    return [target for target in targets if target.observed is not None]


def reach(known: Sequence[Told]) -> str:
    """How many times the compute of the runs that they rest on forecasts are at."""
    factors = [target.times_flops for target in known]
    return f"{'up to ' if len(set(factors)) > 1 else ''}{times(max(factors))}"


def errors(known: Sequence[Told], by_arch: bool) -> str:
    """How far off forecasts were: of each architecture, or of all."""
    if not by_arch:
        return largest_error(known)
    names = names_of(sorted({target.arch for target in known}))
    of_each = {name: largest_error([target for target in known if target.arch == arch]) for arch, name in names.items()}
    return " and ".join(f"{error} ({name})" for name, error in of_each.items())


def largest_error(known: Sequence[Told]) -> str:
    """The error of one forecast, or how large those of several are."""
    found = [target.error for target in known if target.error is not None]
    return f"{found[0]:+.1%}" if len(found) == 1 else f"at most {max(map(abs, found)):.1%}"


def how_many_inside(known: Sequence[Told]) -> str:
    """How many intervals held the outcome."""
    held = sum(bool(target.inside) for target in known)
    if len(known) == 1:
        return f"{'inside' if held else 'outside'} its 95% interval"
    everyone = "both" if len(known) == 2 else f"all {len(known)}"
    if held in (0, len(known)):
        return f"{everyone} {'inside' if held else 'outside'} their 95% intervals"
    return f"{held} of {len(known)} inside their 95% intervals"
