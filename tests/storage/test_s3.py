"""A study whose files live in a bucket; `python -m tests.storage.check` does all of one."""

import pytest

from tests.small_study import jobs_of

NEEDED = "needs pip install -r tests/storage/requirements.txt"
pytest.importorskip("snakemake_storage_plugin_s3", reason=NEEDED)
storage = pytest.importorskip("tests.storage.bucket", reason=NEEDED)
pytestmark = pytest.mark.slow
RUN = "results/models/gpt_a/8192-seed0"
STEPS = ("prepare", "copy_index", "train", "evaluate", "judge")


def test_one_machine_trains_and_another_without_any_file_goes_on_from_the_bucket(study, book, tmp_path):
    with storage.bucket() as files:
        first = storage.machine(tmp_path / "first", book)
        second = storage.machine(tmp_path / "second", None)
        target = ("--", f"{RUN}/validity.json")
        assert jobs_of(files.run(first, *target)) == dict.fromkeys(STEPS, 1)
        assert files.read(f"{RUN}/model.safetensors") == study.weights("gpt_a/8192-seed0")
        assert {f"{RUN}/samples/gpt_a-seed0-001.abc", "data/corpora/raw/copy_index/index.json"} <= files.files()
        assert not (first / "results").exists()
        assert not (first / "data" / "corpora").exists()
        assert "Nothing to be done" in files.run(first, *target)
        before = files.read(f"{RUN}/style.json")
        files.remove(f"{RUN}/style.json")
        said = files.run(second, "--", f"{RUN}/style.json")
        assert jobs_of(said) == {"judge": 1}
        assert ": data/corpora/raw is used as it is in the bucket" in said
        assert files.read(f"{RUN}/style.json") == before
