"""Do the containers work as README.md says? Run as root on Debian, in a container for instance:

    python -m tests.container.check [--full] [--keep FOLDER]

It installs Debian's podman, which needs no daemon, and docker-compose, if they are missing, makes the base image of
Debian's packages, and keeps all images in a temporary folder. Then, in a copy of this repository whose owner is an
ordinary user without a name in the container:

- `docker-compose up -d --build` builds the image, for CPUs, and the service stays up; with compose.gpu.yaml it asks for
  CUDA and GPUs;
- what `docker-compose exec` runs is that user's, and so is each file of a model that was trained there; torch
  compiles, and git answers;
- the image runs a study without a mount, as whoever is named, and into a mounted folder, whose owner gets the files;
- the tests pass in it: those of some rooms, or with --full all of them.

The study is the small one; without a mount, with --full, the default one.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.container.engine import engine, install, make_base, run

ROOT = Path(__file__).parents[2]
PROJECT = "abc-container-check"
RUNNER, ANOTHER = 4321, 4322
SMOKE = ["--configfile", "studies/smoke.yaml", "--"]
FIRST = "results/smoke/models/gpt_tiny/16384-seed0/history.csv"
ROOMS = [
    "tests/base",
    "tests/grammar",
    "tests/laws",
    "tests/machine",
    "tests/models",
    "tests/kernels",
    "tests/test_rooms.py",
]
COMPILE = """
import getpass, torch
print(getpass.getuser(), torch.compile(lambda x: x.sin() + 1)(torch.zeros(3)).tolist())
"""


class Containers:
    """The repository's image, and its service in a checkout."""

    def __init__(self, checkout: Path, env: dict[str, str]):
        self.checkout, self.env = checkout, env
        self.service = self.config("compose.yaml")
        self.image = self.service["image"]

    def config(self, *files: str) -> dict:
        """The service, as docker-compose reads it from files."""
        said = run([*compose(*files), "config"], self.env, cwd=self.checkout)
        return yaml.safe_load(said)["services"]["dev"]

    def compose(self, *args: str) -> str:
        return run([*compose("compose.yaml"), *args], self.env, cwd=self.checkout)

    def exec(self, *command: str) -> str:
        return self.compose("exec", "-T", "dev", *command)

    def run(self, *command: str, options: tuple[str, ...] = ()) -> str:
        return run(["podman", "run", "--rm", *options, self.image, *command], self.env)


def compose(*files: str) -> list[str]:
    return ["docker-compose", "-p", PROJECT, *(word for file in files for word in ("-f", file))]


def require(holds: bool, what: str, otherwise: str = "") -> None:
    if not holds:
        sys.exit(f"{otherwise}\nFAILED: {what}")
    print(f"ok: {what}", flush=True)


def owned_copy(folder: Path, owner: int) -> Path:
    """What git would commit of this repository, committed, in a folder of that user's."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=check", "-c", "user.email=check@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "A copy"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    give(folder, owner)
    return folder


def give(folder: Path, owner: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def the_service(containers: Containers, cores: str) -> None:
    gpu = containers.config("compose.yaml", "compose.gpu.yaml")
    require(gpu["build"]["args"]["TORCH"] == "cuda" and "nvidia" in str(gpu["deploy"]), "compose.gpu.yaml is for GPUs")
    require("deploy" not in containers.service, "compose.yaml asks for none")
    containers.compose("up", "-d", "--build")
    try:
        who = containers.exec("bash", "-c", "id -u; id -g; echo $HOME; pwd >/dev/stdout").split()
        require(
            who == [str(RUNNER), str(RUNNER), "/home/dev", "/work"], "exec runs as the owner of the checkout", str(who)
        )
        require(containers.exec("id", "-u") == str(RUNNER), "so does a command without a shell")
        require(containers.exec("/usr/bin/id", "-u") == "0", "and by its path as root")
        head = run(["git", "rev-parse", "HEAD"], containers.env, cwd=containers.checkout, user=RUNNER)
        require(containers.exec("git", "rev-parse", "HEAD") == head, "git trusts the checkout")
        compiled = containers.exec("python", "-c", COMPILE)
        require(compiled == "dev [1.0, 1.0, 1.0]", "torch.compile compiles", compiled)
        before = owners(containers.checkout)
        containers.exec("snakemake", "--cores", cores, *SMOKE, FIRST)
        require((containers.checkout / FIRST).stat().st_size > 0, "a model was trained in the service")
        require(before == owners(containers.checkout) == {RUNNER}, "all its files are the runner's")
    finally:
        containers.compose("down")


def the_image(containers: Containers, folder: Path, cores: str, full: bool) -> None:
    target = ["results/scaling_plot.pdf"] if full else [*SMOKE, "results/smoke/scaling_plot.pdf"]
    study = f"snakemake --cores {cores} {' '.join(target)} && test -s {target[-1]} && id -u"
    ran = containers.run("sh", "-c", study, options=("--user", f"{ANOTHER}:{ANOTHER}"))
    require(ran.splitlines()[-1] == str(ANOTHER), f"{target[-1]} without a mount, by a user without a name", ran)
    require(containers.run("id", "-un") == "dev", "who is not named and mounts nothing is an ordinary user")

    results = folder / "my results"
    results.mkdir()
    give(results, ANOTHER)
    containers.run("snakemake", "--cores", cores, *SMOKE, FIRST,
                   options=("-v", f"{results}:/work/results"))  # fmt: skip
    require((results / "smoke/models").exists() and owners(results) == {ANOTHER}, "a mounted folder's owner gets files")
    give(results, 0)
    who = containers.run("id", "-u", options=("-v", f"{results}:/work/results"))
    require(who == "0", "where the files are root's, as they are in a rootless engine, root stays root", who)


def the_tests(containers: Containers, full: bool) -> None:
    said = containers.run(
        "python", "-m", "pytest", "-q", *([] if full else ROOMS), options=("--user", f"{RUNNER}:{RUNNER}")
    )
    require(" passed" in said.splitlines()[-1], f"tests passed in the image: {said.splitlines()[-1].strip('= ')}", said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the default study without a mount, and all tests")
    parser.add_argument("--keep", type=Path, help="a folder for the images, which the next run finds there")
    parser.add_argument("--cores", default=str(os.cpu_count()), help="jobs at once")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: a base image is made, and files are given to other users, as root: run this as root")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    install()
    with tempfile.TemporaryDirectory(prefix="abc-container-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # for the users of what lies in it
        checkout = owned_copy(folder / "a checkout", RUNNER)
        with engine((args.keep or folder / "engine").absolute()) as env:
            [base] = [
                line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM ")
            ]
            make_base(base, (args.keep or folder).absolute(), env)
            containers = Containers(checkout, env)
            the_service(containers, args.cores)
            the_image(containers, folder, args.cores, args.full)
            the_tests(containers, args.full)
    print("all is well")


if __name__ == "__main__":
    main()
