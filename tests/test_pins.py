import re
import tomllib

import yaml

from tests.conftest import ROOT


def test_conda_and_pip_agree():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == pins
    assert all("==" in pin for pin in pins)


def test_the_build_for_cpus_is_of_the_same_torch():
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    of_cpu = (ROOT / "requirements-cpu.txt").read_text().splitlines()
    assert "-r requirements.txt" in of_cpu
    assert of_cpu[-1].removesuffix("+cpu") in pins


def test_one_version_is_told_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == str(citation["version"]) == released[1]
    assert str(citation["date-released"]) == released[2]
