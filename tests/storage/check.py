"""Does a whole study run with all of its files in a bucket? Run by hand, with tests/storage/requirements.txt:

  python -m tests.storage.check

Starts a server of S3 on this machine (moto, in memory), runs the small study of the tests on a book of music21's with
everything in a bucket, and then asks for it again from a folder that has the repository alone.
"""

import tempfile
from pathlib import Path

from tests import forked
from tests.small_study import MODELS, jobs_of
from tests.storage.bucket import bucket, machine


def main() -> None:
    import music21

    book = Path(music21.__file__).parent / "corpus" / "airdsAirs" / "book1.abc"
    with tempfile.TemporaryDirectory(prefix="abc-bucket-") as place, bucket() as files, forked.servers():
        first, second = machine(Path(place, "first"), book), machine(Path(place, "second"), None)
        jobs = jobs_of(files.run(first))
        assert jobs["train"] == jobs["evaluate"] == MODELS, jobs
        print(f"one machine: {sum(jobs.values())} jobs, {len(files.files())} files in the bucket", flush=True)
        assert not (first / "results").exists()
        assert not (first / "data" / "corpora").exists()
        assert "Nothing to be done" in files.run(first)
        print("asked again: nothing to be done", flush=True)
        again = jobs_of(files.run(second)).keys()
        assert again <= {"plots", "claims"}, again  # whose templates are newer there than what was made of them
        print(f"asked on a machine without any file: {', '.join(again) or 'nothing'}", flush=True)
        for lost, wanted in {
            "results/fit.json": {"fit": 1},
            "results/baselines/real/copying.json": {"judge": 1},
            "results/models/gpt_a/4096-seed0/perplexity.json": {"evaluate": 1},
        }.items():
            files.remove(lost)
            assert wanted.items() <= jobs_of(files.run(second, "--", lost)).items(), lost
            assert lost in files.files()
            print(f"{lost} was lost, and made again on the other machine", flush=True)


if __name__ == "__main__":
    main()
