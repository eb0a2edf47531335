import yaml

from tests.conftest import ROOT


def test_conda_and_pip_agree():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == pins
    assert all("==" in pin for pin in pins)
