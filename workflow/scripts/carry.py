"""Train a study on a machine that has no network and may go away: pack it here, run it there, unpack what comes back.

  pack     one file of the jobs of a study in the order of their worth, and all that they read of its prepared corpus
  run      there, without Snakemake: trains and scores job after job until the time is up, and lets models write in what
           is left of it; writes came_back.tar.xz with the small files of whatever is finished. The same command goes on
           where it stopped. If the machine is gone, --have came_back.tar.xz spares a new one what is in that.
  unpack   puts these files where Snakemake finds them, so that what came back is not trained here

There it takes this repository at the commit that packed, and of requirements.txt neither snakemake nor music21,
symusic, ftfy, pydivsufsort, rapidfuzz, jsonschema or zstandard. Weights stay there, but for small ones (--weights_mb).

Exit status of run: 0 if all is done, 3 if something is left, 1 if a job failed.

Examples:
  python -m workflow.scripts.carry pack studies/lakh.yaml --output carried/pack.tar.xz
  python -m workflow.scripts.carry run carried/pack.tar.xz --work carried/work --output carried/out --seconds 540
  python -m workflow.scripts.carry unpack carried/out/came_back.tar.xz --study studies/lakh.yaml
"""

import argparse
import subprocess
import sys
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.carrying import archive, arrive, back
from workflow.scripts.carrying.away import SMALL, Away, How
from workflow.scripts.carrying.machine import Clock
from workflow.scripts.carrying.pack import Pack, open_pack, sources, write
from workflow.scripts.corpus.dataset import Corpus

ROOT = SCRIPTS.parents[1]
SOMETHING_LEFT = 3
LIMIT_MB = 64


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, formatter_class=argparse.ArgumentDefaultsHelpFormatter)

    def add_choice(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="these models alone")
        parser.add_argument("--seeds", nargs="+", type=cli.non_negative_int, default=[], help="these seeds alone")

    def add_study(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake's")
        parser.add_argument("--corpus", type=Path, help="folder of the prepared corpus (default: the study's)")

    packing = command("pack", "write a file to take there")
    packing.add_argument("study", nargs="?", type=Path, help="a file of studies/; without one, config.yaml's study")
    add_study(packing)
    packing.add_argument("--output", type=Path, default=Path("carried/pack.tar.xz"), help="file to write")
    packing.add_argument(
        "--limit_mb", type=cli.positive_int, default=LIMIT_MB, help="MB of 2**20 bytes that it may have"
    )
    packing.add_argument(
        "--kinds", nargs="+", default=["models", "targets"], choices=("models", "targets", "lr_transfer", "ablations"),
        help="runs of the suite, those that were forecast, trials of learning rates, trials of other settings",
    )  # fmt: skip
    add_choice(packing)

    running = command("run", "do what is in it, there")
    running.add_argument("pack", type=Path, help="file that pack wrote")
    running.add_argument("--work", type=Path, default=Path("carried/work"), help="folder to work in; keep it to go on")
    running.add_argument("--output", type=Path, default=Path("carried/out"), help=f"folder for {back.NAME}")
    running.add_argument("--seconds", type=cli.positive_float, default=540, help="after which it is to have ended")
    running.add_argument("--have", nargs="+", type=Path, default=[], help=f"each {back.NAME} that came back before")
    running.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    running.add_argument(
        "--at_once", type=cli.positive_int, default=1,
        help=f"how many models of {SMALL:,} parameters or fewer share the GPU; their speeds are then no measure of it",
    )  # fmt: skip
    running.add_argument("--threads", type=cli.positive_int, help="CPU threads (default: the study's)")
    running.add_argument(
        "--weights_mb", type=cli.non_negative_int, default=0, help="weights of so many MB at most come back, too"
    )
    running.add_argument("--any_code", action="store_true", help="train by other code than that which packed")
    running.add_argument(
        "--tunes", default="last", choices=("last", "each", "never"),
        help="when models write: after all training, each after its own, or never",
    )  # fmt: skip
    add_choice(running)

    unpacking = command("unpack", "put what came back where Snakemake finds it")
    unpacking.add_argument("came_back", nargs="+", type=Path, help="files that run wrote, the newest last")
    unpacking.add_argument("--study", type=Path, help="a file of studies/; without it, config.yaml's study")
    add_study(unpacking)
    return parser


def commit() -> str:
    """The commit that is checked out, with "-dirty" where tracked files are changed; empty where git does not know."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def pack(args: argparse.Namespace) -> None:
    """Write what travels.

    Raises:
        InputError: the corpus is not prepared as the study wants it, no job is left to carry, or it is all too large.
    """
    from workflow.scripts import study, study_config, study_jobs  # they need packages that are lacking there
    from workflow.scripts.prepare import differences

    config = study_config.read_study(args.study, args.config)
    results, data = folders_of(config, args.corpus)
    if not archive.is_inside(results):
        raise InputError(f"{results}: what is carried has its results in a folder below this one, so name such a one")
    corpus = Corpus.load(data)
    if found := differences(data, study.prepare_flags(config)):
        raise InputError(f"{data} was prepared with other options ({'; '.join(found[:3])}): prepare it again")
    kinds = list(args.kinds)
    if "targets" in kinds and config["targets"] and not Path(study.stored(config, results, "registered.json")).exists():
        kinds.remove("targets")
        print("targets stay here: their forecast is not registered (python -m workflow.scripts.register)")
    jobs = study_jobs.jobs_of(config, corpus.tokenizer.vocab_size, kinds, args.only, args.seeds)
    if not jobs:
        raise InputError("no run to carry: the study has none of these kinds, models and seeds")
    machine = {"--threads": str(config["threads_per_job"]), "--checkpoint_seconds": str(config["checkpoint_seconds"])}
    code = {arch: sources(arch) for arch in {job.arch for job in jobs}}
    made = Pack(
        str(args.study or ""), args.config, commit(), code, results, f"data/corpora/{study.corpus_name(config)}",
        corpus.content_sha256, machine, study.sample_flags(config), list(config["prompts"]), jobs,
    )  # fmt: skip
    print(write(args.output, made, corpus, args.limit_mb))


def folders_of(config: dict, corpus: Path | None) -> tuple[str, Path]:
    """Where the results of a study are, and its prepared corpus."""
    from workflow.scripts import study, study_config

    return study_config.results_of(config), corpus or Path(study.corpora(config), study.corpus_name(config))


def run(args: argparse.Namespace) -> int:
    """Do what is left of a pack; returns the exit status."""
    clock = Clock(args.seconds)
    clock.listen()
    args.work.mkdir(parents=True, exist_ok=True)
    made = open_pack(args.pack, args.work)
    if args.have:
        print(f"{back.take_up(args.have, made, args.work)} runs came back before", flush=True)
    options = {"--device": args.device, "--threads": str(args.threads or made.machine["--threads"])}
    how = How(options, args.at_once, args.tunes, args.weights_mb, args.any_code)
    away = Away(made, args.work, ROOT, args.output, clock, how)
    jobs = [job for job in made.jobs if not args.only or job.model in args.only]
    is_done = away.do([job for job in jobs if not args.seeds or job.seed in args.seeds])
    if away.failed:
        return 1
    return 0 if is_done else SOMETHING_LEFT


def unpack(args: argparse.Namespace) -> None:
    """Put files into the results of a study.

    Raises:
        InputError: they are of another study, corpus or recipe.
    """
    from workflow.scripts import study_config, study_jobs

    config = study_config.read_study(args.study, args.config)
    results, data = folders_of(config, args.corpus)
    corpus = Corpus.load(data)
    jobs = study_jobs.jobs_of(config, corpus.tokenizer.vocab_size, study_jobs.KINDS)
    for path in args.came_back:
        print(arrive.put(path, jobs, corpus.content_sha256, Path(results)))
    write_json(Path(results, "carried.json"), arrive.brought(Path(results)))


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    if args.command == "run":
        if status := run(args):
            sys.exit(status)
    elif args.command == "pack":
        pack(args)
    else:
        unpack(args)


if __name__ == "__main__":
    cli.run(main)
