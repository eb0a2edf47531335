"""Does README's way of installing hold for a stranger? Needs git and PyPI; takes minutes and some GB of disk:

  python -m tests.install.check                               # with the network that README's commands need
  python -m tests.install.check --cpu_index FOLDER_OF_WHEELS  # where PyTorch's own index cannot be reached

In a clone of what is committed, in environments that have nothing, without this machine's settings of pip:

- the reviewer's command of README is run as it stands there: packages as locked, none of CUDA, every figure on record;
- `pip install .` and `pip install -e .` bring no other package then, and no module;
- `requirements.txt` and those of the tests resolve to what is locked, with and without CUDA.

With --cpu_index, the wheel of torch in that folder is served from this machine in place of PyTorch's own index.
"""

import argparse
import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
INDEX = "https://download.pytorch.org/whl/cpu"
OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")
NAME = "abc-scaling-laws"


class Stranger:
    """A clone, and how commands run in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        ours = ("PIP_", "PYTHON", "VIRTUAL_ENV", "SNAKEMAKE")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        certificates = {name: os.environ[name] for name in ("PIP_CERT",) if name in os.environ}
        self.env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **certificates}

    def run(self, line: str) -> str:
        """What a line of shell prints; it must succeed."""
        print(f"$ {line}", flush=True)
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, env=self.env, capture_output=True, text=True)
        require(done.returncode == 0, line, done.stdout + done.stderr)
        return done.stdout

    def installed(self, venv: str) -> dict[str, str]:
        """Versions by name of what an environment has, but for pip itself."""
        found = json.loads(self.run(f"{venv}/bin/pip list --format=json"))
        versions = {canonicalize_name(one["name"]): one["version"] for one in found}
        return {name: versions[name] for name in sorted(versions) if name != "pip"}

    def resolved(self, words: str) -> dict[str, str]:
        """Versions by name of what pip would install into nothing."""
        self.run(f"bare/bin/pip install --quiet --dry-run --ignore-installed --report bare/report.json {words}")
        found = json.loads((self.folder / "bare/report.json").read_text())["install"]
        return {canonicalize_name(one["metadata"]["name"]): one["metadata"]["version"] for one in found}


def require(holds: bool, what: str, otherwise: str = "") -> None:
    if not holds:
        sys.exit(f"FAILED: {what}\n{otherwise[-4000:]}")


@contextlib.contextmanager
def served(wheels: Path | None) -> Iterator[str]:
    """The address of an index with the wheels of torch of a folder; PyTorch's own without one."""
    if wheels is None:
        yield INDEX
        return
    with tempfile.TemporaryDirectory() as folder:
        for wheel in wheels.glob("torch-*+cpu-*.whl"):
            Path(folder, "torch").mkdir(exist_ok=True)
            Path(folder, "torch", wheel.name).symlink_to(wheel.resolve())
        require(Path(folder, "torch").is_dir(), f"a wheel of torch for CPUs is in {wheels}")
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def reviewers_command(readme: str) -> str:
    """The line of README that makes every figure on record again."""
    [line] = re.findall(r"^python3 .* redraw$", readme, re.MULTILINE)
    return line


def check_locked(found: dict[str, str], lock: dict[str, set[str]], cuda: bool, some: bool = False) -> None:
    """Versions are those of the lock, for ``some`` where the lock has them, and CUDA's packages are there or not."""
    unlocked = {name: version for name, version in found.items() if version.split("+")[0] not in lock.get(name, set())}
    if some:
        unlocked = {name: version for name, version in unlocked.items() if name in lock}
    require(not unlocked, "every version is the one that is locked", str(unlocked))
    require(any(map(OF_CUDA.match, found)) == cuda, f"packages of CUDA are there: {cuda}", str(found))
    require(found["torch"].endswith("+cpu") != cuda, f"torch is a build for CUDA: {cuda}", found["torch"])
    print(f"{len(found)} packages as locked, torch {found['torch']}", flush=True)


def check(clone: Path, index: str) -> None:
    stranger = Stranger(clone)
    stranger.run(f"git clone --quiet {ROOT} .")
    lock: dict[str, set[str]] = {}
    for line in (clone / "requirements-lock.txt").read_text().splitlines():
        if line[0] != "#":
            one = Requirement(line.split(" #")[0])
            lock.setdefault(canonicalize_name(one.name), set()).add(str(one.specifier).removeprefix("=="))
    of_cpu = clone / "requirements-cpu.txt"
    require(INDEX in of_cpu.read_text(), f"{of_cpu.name} names PyTorch's own index")
    of_cpu.write_text(of_cpu.read_text().replace(INDEX, index))

    said = stranger.run(reviewers_command((clone / "README.md").read_text()))
    print("\n".join(line for line in said.splitlines() if re.match(r"docs/|results/|\d+ figures", line)))
    found = stranger.installed(".venv")
    check_locked(found, lock, cuda=False)
    stranger.run(".venv/bin/pip check")
    changed = stranger.run("git status --porcelain --untracked-files=all").split("\n")
    require(changed in ([" M requirements-cpu.txt", ""], [""]), "nothing in the clone is changed", "\n".join(changed))

    for line in (".venv/bin/pip install --quiet .", ".venv/bin/pip install --quiet -e ."):
        stranger.run(line)
        now = stranger.installed(".venv")
        require(now.keys() - found.keys() == {NAME}, f"{line} brings no other package", str(now))
        require({name: now[name] for name in found} == found, f"{line} changes no version", str(now))
    stranger.run("cd / && ! $OLDPWD/.venv/bin/python -c 'import workflow' 2>/dev/null")
    stranger.run(".venv/bin/python -m workflow.scripts.train --help")

    stranger.run("python3 -m venv bare")
    check_locked(stranger.resolved("-r requirements.txt"), lock, cuda=True)
    check_locked(stranger.resolved("-c requirements-lock.txt ."), lock | {NAME: {"0.2.0"}}, cuda=True)
    check_locked(stranger.resolved("-r requirements-dev.txt"), lock, cuda=True, some=True)
    check_locked(stranger.resolved("-r requirements-cpu.txt -r requirements-dev.txt"), lock, cuda=False, some=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu_index", type=Path, metavar="FOLDER", help="with a wheel of torch for CPUs")
    args = parser.parse_args()
    with served(args.cpu_index) as index, tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone of a stranger")
        clone.mkdir()
        check(clone, index)
    print("all holds")


if __name__ == "__main__":
    main()
