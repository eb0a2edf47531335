"""Commands that share a process do what each does by itself."""

from pathlib import Path

from tests.conftest import command


def lines(trained: Path, corpus: Path, folder: Path) -> list[tuple]:
    return [
        ("calc_perplexity", "--checkpoint", trained, "--data_dir", corpus, "--output", folder / "perplexity.json"),
        ("sample", "--checkpoint_dir", trained, "--num_samples", 2, "--max_new_tokens", 40, "--seed", 3,
         "--output_dir", folder / "tunes"),
    ]  # fmt: skip


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_they_write_and_say_what_each_does_alone(trained, corpus_dir, tmp_path):
    first, second = lines(trained["gpt"], corpus_dir, tmp_path / "together")
    together = command("in_turn", *first, "--then", *second)
    assert together.returncode == 0, together.stderr
    alone = [command(*line) for line in lines(trained["gpt"], corpus_dir, tmp_path / "alone")]
    assert files(tmp_path / "together") == files(tmp_path / "alone") != {}
    assert together.stdout == "".join(done.stdout for done in alone).replace("alone", "together")


def test_one_that_fails_is_the_last(trained, corpus_dir, tmp_path):
    first, second = lines(trained["gpt"], tmp_path / "nothing", tmp_path)
    together, alone = command("in_turn", *first, "--then", *second), command(*first)
    assert (together.returncode, together.stderr) == (alone.returncode, alone.stderr)
    assert "nothing" in alone.stderr
    assert not (tmp_path / "tunes").exists()


def test_a_command_that_there_is_not_is_told_before_any_runs(trained, corpus_dir, tmp_path):
    first, _ = lines(trained["gpt"], corpus_dir, tmp_path)
    for name in ("smaple", "cli", "../sample"):
        done = command("in_turn", *first, "--then", name, "--num_samples", 2)
        assert (done.returncode, done.stderr) == (1, f"error: there is no command {name!r}\n")
    assert files(tmp_path) == {}
    assert "give a command" in command("in_turn").stderr
