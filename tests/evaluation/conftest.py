"""A plan of runs by names of a test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.scripts import plan
from workflow.scripts.base.files import read_json, write_json


@pytest.fixture
def planned_of(tmp_path, monkeypatch) -> Callable[[dict[str, dict[str, float]]], Path]:
    """Writes a plan whose models take such seconds at each number of tokens."""

    def write(seconds: dict[str, dict[str, float]]) -> Path:
        monkeypatch.chdir(tmp_path)
        Path("small.yaml").write_text("suite: [gpt_tiny]\nseeds: [0]\n")
        plan.main(["small.yaml", "--device", "h100", "--json", "plan.json"])
        found = read_json("plan.json")
        model = found["models"]["gpt_tiny"]
        found["models"] = {name: model | {"alone_seconds": alone} for name, alone in seconds.items()}
        write_json("plan.json", found)
        return tmp_path / "plan.json"

    return write
