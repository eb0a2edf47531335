"""Put a forecast on record before its runs are trained: of larger models, or of more tokens, than a study has.

From runs.csv of the study's results: the loss of each target with a 95% interval, by the law that forecast the larger
runs best from the smaller ones, as fit_scaling --predict gives it; and by every other law, and their average. With it
go the runs that it rests on, each by a digest of its row; the code; and the flags that the target is to be trained by.

A target whose outcome may be known is refused. A further registration needs its --reason, and changes no earlier one;
only it may name what was trained for one on record (a corrected recipe), and then says so.

workflow/schemas/registered.schema.json says what each key means; score_forecast puts the outcome beside it.

Example:
  python -m workflow.scripts.register results/reference --target gpt_7m=16777216 lstm_7m=16777216,4194304
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from workflow.scripts import models, study, study_config
from workflow.scripts.base import cli, schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.findings.words import LAWS, with_interval
from workflow.scripts.forecasts.registered import Runs, Target, read_runs, refuse, registration, was_trained
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.models import ModelConfig

SCHEMA = "registered.schema.json"


def target_of(text: str) -> tuple[str, list[int]]:
    """A model and its budgets of tokens, of MODEL=TOKENS[,TOKENS]."""
    model, _, tokens = text.partition("=")
    if not model:
        raise argparse.ArgumentTypeError(f"{text!r} is not MODEL=TOKENS")
    return model, [cli.positive_int(word) for word in tokens.split(",")]


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    parser.add_argument("results", type=Path, help="folder of a study's results, with its runs.csv")
    parser.add_argument(
        "--study",
        type=Path,
        help="the study's file (default: the one in studies/ of the folder's name, if there is one)",
    )
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake's")
    parser.add_argument(
        "--target", nargs="+", action="extend", type=target_of, metavar="MODEL=TOKENS",
        help="what to forecast; several budgets with commas between (default: the study's targets)",
    )  # fmt: skip
    parser.add_argument("--measured", action="store_true",
                        help="rest it on the targets that are measured, too, as targets/runs.csv has them")  # fmt: skip
    parser.add_argument("--reason", default="", help="of a further registration")
    parser.add_argument("--output", type=Path, help="JSON to write or add to (default: <results>/registered.json)")
    return parser


def targets_of(config: dict, asked: Sequence[tuple[str, Sequence[int]]], vocab_size: int) -> list[Target]:
    """The targets that are asked for, each once, as the study would train them.

    Raises:
        InputError: a model is unknown, or a budget is less than a step.
    """
    found = {}
    for model, budgets in asked:
        entry, shape = study_config.settings_of(config, model), study_config.shape_of(config, model, vocab_size)
        arch, step = models.module_for(entry["arch"]), study_config.tokens_per_step(config, model)
        schedules = study_config.schedules_of(config, model, budgets)
        for budget in budgets:
            if not schedules[budget].steps:
                raise InputError(f"{model}: {budget} tokens are less than a step, which reads {step}")
            tokens = schedules[budget].steps * step
            found[model, tokens] = Target(
                model, entry["arch"], entry["n_layer"], entry["n_embd"], entry.get("n_head"),
                arch.count_params(shape)[0], tokens, tokens * arch.flops_per_token(shape),
                study.train_flags(config, model, budget),
            )  # fmt: skip
    return list(found.values())


def vocabulary(runs: Runs) -> int:
    """Tokens of the vocabulary that all runs were trained with, by their parameters: these grow evenly with it.

    Raises:
        InputError: the parameters of a run are not those of its shape, or runs differ.
    """
    found = {}
    for _, row in runs.written.iterrows():
        shapes = [ModelConfig(row["arch"], size, 1, int(row["n_layer"]), int(row["n_embd"]), 1) for size in (0, 1)]
        (hidden, without), (_, with_one) = map(models.module_for(row["arch"]).count_params, shapes)
        size, rest = divmod(int(row["params"]) - without, with_one - without)
        if hidden != row["params_non_embedding"] or rest or size < 1:
            raise InputError(
                f"{row['path']} line {row['line']}: {row['params']} parameters, {row['params_non_embedding']} of them"
                f" outside the embedding, are not those of {row['arch']} with n_layer {row['n_layer']} and n_embd"
                f" {row['n_embd']}"
            )
        found[size] = row["model"]
    if len(found) > 1:
        of = ", ".join(f"{size} ({model})" for size, model in sorted(found.items()))
        raise InputError(f"{runs.paths[0]}: runs have vocabularies of different sizes: {of}")
    return next(iter(found))


def on_record(path: Path, name: str) -> dict:
    """What a file of registrations holds, or the beginning of one.

    Raises:
        InputError: it is no file of registrations, or another study's.
    """
    if not path.exists():
        return {"study": name, "registrations": []}
    document = read_json(path)
    schema.check(document, SCHEMA, str(path))
    if document["study"] != name:
        raise InputError(f"{path} is of the study {document['study']!r}, not of {name!r}")
    return document


def line_of(entry: Mapping) -> str:
    """What is said of a target's forecast."""
    return (
        f"{entry['model']}, {entry['tokens']:,} tokens, {entry['times_flops']:.3g} times the FLOP of the largest run:"
        f" loss {with_interval(entry['loss'], entry['pi95'])} by {LAWS[entry['told']]}"
    )


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    name = args.results.resolve().name
    of_name = study_config.ROOT / "studies" / f"{name}.yaml"
    config = study_config.read_study(args.study or (of_name if of_name.exists() else None), args.config)
    if not (asked := args.target or list(config.get("targets", {}).items())):
        raise InputError("nothing to forecast: give a --target, or targets in the study's file")
    files = ("runs.csv", "registered.json", "targets/runs.csv")
    stored = {file: Path(study.stored(config, str(args.results), file)) for file in files}
    output = args.output or args.results / "registered.json"
    document = on_record(args.output or stored["registered.json"], name)
    runs = read_runs(stored["runs.csv"], *([stored["targets/runs.csv"]] if args.measured else []))
    targets = targets_of(config, asked, vocabulary(runs))
    trained = {
        target for target in targets for folder in (args.results, *filter(None, [config["recorded"]]))
        if was_trained(target, Path(folder), study_config.tokens_per_step(config, target.model))
    }  # fmt: skip
    reason = args.reason.strip()
    refuse(targets, runs, trained, document["registrations"], reason, output)
    made = registration(runs, targets, Settings(), trained, reason)
    document = {**document, "registrations": [*document["registrations"], made]}
    schema.check(document, SCHEMA, str(output))
    write_json(output, document)
    for entry in made["targets"]:
        print(line_of(entry))
    print(f"Commit {output} before any of these runs is trained: only then is it a forecast.")


if __name__ == "__main__":
    cli.run(main)
