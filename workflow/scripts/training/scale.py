"""A whole study made smaller: N and D of every run times one factor, and as many runs of as many steps as before.

Needs a config that was checked. So a machine runs through a study that it cannot train, from its corpus to its figures.
"""

import math

MIN_CONTEXT = 8  # tokens
BUDGETS = ("longer", "lr_horizons", "targets")  # keys that give models budgets of their own


def scaled(config: dict, results: str) -> dict:
    """The study with the parameters and the tokens of every run times its ``scale``, in a folder of results of its own.

    N goes with the square of a width: widths, contexts and windows a step shrink by the square root of the factor, each
    to a whole number, depths stay. So tokens a step shrink by the factor, and the steps of a run, which are what its
    schedule counts, stay. Budgets are given as those of the full study; ``results`` is the folder of its results.
    """
    if config["scale"] == 1:
        return config
    root = math.sqrt(config["scale"])
    small = config | windows(config, root)
    small["models"] = {name: model_of(entry, config, root) for name, entry in config["models"].items()}
    step, new_step = tokens_per_step(config), tokens_per_step(small)

    def budget(tokens: int) -> int:
        return max(1, round(tokens / step)) * new_step

    small["tokens"] = [budget(tokens) for tokens in config["tokens"]]
    for key in BUDGETS:
        small[key] = {name: [budget(tokens) for tokens in budgets] for name, budgets in config[key].items()}
    for key in ("lr_transfer_tokens", "learning_rate_tokens", "ablation_tokens", "eval_tokens"):
        small[key] = config[key] and budget(config[key])
    return small | {"pathvars": {"results": f"{results}/scale{config['scale']:g}"}, "recorded": ""}


def tokens_per_step(settings: dict) -> int:
    """Tokens of one step, by a study's settings."""
    return settings["batch_size"] * settings["grad_accum"] * settings["block_size"]


def windows(settings: dict, root: float) -> dict:
    """Context and windows a step, which now are one pass."""
    return {
        "block_size": max(MIN_CONTEXT, round(settings["block_size"] * root)),
        "batch_size": max(1, round(settings["batch_size"] * settings["grad_accum"] * root)),
        "grad_accum": 1,
    }


def model_of(entry: dict, config: dict, root: float) -> dict:
    """A model's entry: its width, in heads of an even size, and what it sets of context and windows for itself."""
    heads = max(1, round(entry.get("n_head", 1) * root))
    small = entry | {"n_embd": 2 * heads * max(1, round(entry["n_embd"] * root / (2 * heads)))}
    if "n_head" in entry:
        small["n_head"] = heads
    own = {"block_size", "batch_size", "grad_accum"} & entry.keys()
    shrunk = windows({key: (config | entry)[key] for key in ("block_size", "batch_size", "grad_accum")}, root)
    return small | {key: shrunk[key] for key in own}
