"""All judges in one process say what each says by itself."""

import shutil

from tests.conftest import command
from workflow.scripts.base.files import read_json


def test_it_writes_what_the_three_commands_write(corpus_dir, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(corpus_dir, data)
    writers = [tmp_path / name for name in ("one", "two")]
    for seed, writer in enumerate(writers):
        for folder in ("samples", "prompted/fragment"):
            assert command("draw_real", "--data_dir", data, "--num_samples", 3, "--seed", seed, "--max_new_tokens", 200,
                           "--output_dir", writer / folder).returncode == 0  # fmt: skip
    assert command("copy_index", "--data_dir", data, "--output", data / "copy_index").returncode == 0
    done = command("judge", "--writers", *writers, "--prompts", "fragment", "--data_dir", data)
    assert done.returncode == 0, done.stderr
    for writer in writers:
        samples, alone = writer / "samples", tmp_path / "alone"
        for line in (
            ("eval_syntax", "--folder", samples, "--json", alone / "validity.json", "--midi_dir", alone / "midi"),
            ("eval_style", "--folders", samples, writer / "prompted" / "fragment", "--data_dir", data,
             "--output", alone / "style.json"),
            ("copying", "--folder", samples, "--index", data / "copy_index", "--output", alone / "copying.json"),
        ):  # fmt: skip
            assert command(*line).returncode == 0
        for name in ("validity", "style", "copying"):
            assert read_json(writer / f"{name}.json") == read_json(alone / f"{name}.json")
        assert {path.name for path in (writer / "midi").iterdir()} == {path.name for path in (alone / "midi").iterdir()}
        shutil.rmtree(alone)
