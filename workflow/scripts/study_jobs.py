"""The runs of a study as jobs that a machine without Snakemake can do, in the order of their worth.

First come the runs of the suite: the first seed of every model, from the fewest FLOP to the most, then the second
seeds, as a law needs every size before it needs any twice; then the targets; and trials, if they are asked for, before
all, since what they show is how the others are to be trained.
"""

from collections.abc import Collection

from workflow.scripts import models, study, study_config
from workflow.scripts.carrying.jobs import Job

KINDS = ("lr_transfer", "ablations", "models", "targets")


def jobs_of(
    config: dict, vocab_size: int, kinds: Collection[str], only: Collection[str] = (), seeds: Collection[int] = ()
) -> list[Job]:
    """The jobs of some kinds of runs, in order of worth.

    Args:
        only: of these models; of all if there are none.
        seeds: of these seeds; of all if there are none.
    """
    found = []
    for kind in kinds:
        for (name, seed, tokens, rate), folders in grouped(config, kind).items():
            if (not only or name in only) and (not seeds or seed in seeds):
                found.append(job(config, vocab_size, kind, name, seed, tokens, rate, folders))
    rank = {kind: place for place, kind in enumerate(KINDS)}
    turn: dict[tuple[str, str], list[int]] = {}
    for each in found:
        if each.seed not in turn.setdefault((each.kind, each.model), []):
            turn[each.kind, each.model].append(each.seed)
    return sorted(
        found, key=lambda each: (rank[each.kind], turn[each.kind, each.model].index(each.seed), each.flops)
    )  # fmt: skip


def grouped(config: dict, kind: str) -> dict[tuple[str, int, int | None, str], list[str]]:
    """Folders of runs that one `train` makes, by model, seed, and the budget and the rate that are theirs alone."""
    runs = {"models": study.runs, "targets": study.targets, "lr_transfer": study.trials, "ablations": study.ablations}
    apart = study.without_trunk(config)
    groups: dict[tuple[str, int, int | None, str], list[str]] = {}
    for folder in runs[kind](config):
        run, _, rate = folder.partition("-lr")
        name, tokens, seed = study.run_of(run)
        shares = kind == "models" and name not in apart and tokens in config["tokens"]
        key = (name, seed, None if shares else tokens, rate)
        groups.setdefault(key, []).append(f"{kind}/{folder}")
    return groups


def job(
    config: dict, vocab_size: int, kind: str, name: str, seed: int, tokens: int | None, rate: str,
    folders: list[str],
) -> Job:  # fmt: skip
    """The job of some runs of one model and seed, told as the rules of rules/train.smk tell it."""
    budgets = {folder: study.run_of(folder.partition("/")[2].partition("-lr")[0])[1] for folder in folders}
    runs = dict(sorted(budgets.items(), key=lambda run: run[1]))
    longest = max(runs, key=lambda folder: runs[folder])
    own = {"learning_rate": rate} if rate else {"tokens": tokens}
    flags = study.train_flags(config, name, **own)
    shape, settings = study_config.shape_of(config, name, vocab_size), study_config.settings_of(config, name)
    arch = models.module_for(shape.arch)
    steps = study_config.schedules_of(config, name, [runs[longest]])[runs[longest]].steps
    lanes = settings["batch_size"] * settings["grad_accum"]
    flops = arch.flops_per_token(shape) * steps * lanes * shape.block_size
    is_trial = kind not in ("models", "targets")
    writes = kind == "targets" or (kind == "models" and runs[longest] == max(config["tokens"]))
    return Job(
        kind, name, shape.arch, seed, flags, runs, "val" if is_trial else "test", longest if writes else "", lanes,
        steps * shape.block_size + 1, arch.count_params(shape)[1], flops,
    )  # fmt: skip
