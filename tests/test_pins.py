"""What is installed: each version is told the same wherever it is told, and the lock has all of them."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT


def requirements(name: str) -> list[Requirement]:
    """What a file of requirements asks for by itself, on this machine."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.split(" #")[0]) for line in lines if line and line[0] not in "#-"]
    return [one for one in found if one.marker is None or one.marker.evaluate()]


def versions(name: str) -> dict[str, str]:
    """The one version of each package that a file allows."""
    found = requirements(name)
    assert all(re.fullmatch(r"==[^*,]+", str(one.specifier)) for one in found)
    assert len({canonicalize_name(one.name) for one in found}) == len(found) > 20
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in found}


def brought(packages: dict[str, str]) -> set[str]:
    """Names of what some installed packages need, and what that needs, with themselves."""
    seen, ahead = set(), [(name, "") for name in packages]
    while ahead:
        name, extra = ahead.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            for need in map(Requirement, requires(name) or []):
                if need.marker is None or need.marker.evaluate({"extra": extra}):
                    ahead += [(canonicalize_name(need.name), wanted) for wanted in ("", *need.extras)]
    return {name for name, _ in seen}


def test_conda_and_pip_agree():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == [line for line in lines if line[0] not in "#-"]


def test_the_lock_has_the_version_of_every_pin_and_of_all_that_they_bring():
    """`.ci/lock` writes it; here it is held against the packages that these tests run with."""
    assert "-c requirements-lock.txt" in (ROOT / "requirements.txt").read_text().splitlines()
    pins, locked = versions("requirements.txt"), versions("requirements-lock.txt")
    assert pins.items() <= locked.items()
    needed = brought(pins)
    assert {"llvmlite", "pulp", "contourpy"} < needed  # of numba, Snakemake and matplotlib
    assert {name: version(name).split("+")[0] for name in needed} == {name: locked.get(name) for name in needed}


def test_the_build_for_cpus_is_of_the_same_torch():
    assert "-r requirements.txt" in (ROOT / "requirements-cpu.txt").read_text().splitlines()
    for line in (ROOT / "requirements-cpu.txt").read_text().splitlines():
        if line[0] not in "#-":
            one = Requirement(line)
            assert (one.name, str(one.specifier)) == ("torch", f"=={versions('requirements.txt')['torch']}+cpu")
            assert [one.marker.evaluate({"sys_platform": name}) for name in ("linux", "darwin")] == [True, False]
            break
    else:
        pytest.fail("it names no build of torch")


def test_pip_install_of_the_folder_brings_the_pins_and_no_module(tmp_path):
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "rules", tmp_path / "rules")  # a folder that setuptools would take for a package
    build = "from setuptools.build_meta import build_wheel; build_wheel('wheel')"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("wheel/*.whl")
    with ZipFile(wheel) as files:
        folder = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
        assert {name.split("/")[0] for name in files.namelist()} == {folder}
        metadata = files.read(f"{folder}/METADATA").decode()
    needs = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)]
    assert {canonicalize_name(one.name): str(one.specifier)[2:] for one in needs} == versions("requirements.txt")


def test_one_version_is_told_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == str(citation["version"]) == released[1]
    assert str(citation["date-released"]) == released[2]
