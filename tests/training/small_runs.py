"""The small runs of `train` that tests start."""

from pathlib import Path

from tests.conftest import command

SMALL = ("--n_layer", 1, "--n_embd", 16, "--n_head", 2, "--context_size", 32, "--batch_size", 4, "--grad_accum", 2,
         "--learning_rate", 0.01, "--model_name", "t", "--threads", 1, "--precision", "float32")  # fmt: skip


def train(corpus_dir, folders, *flags, iters=40, tokens=()):
    """A run of so many steps or tokens, or runs of several budgets, each in a folder of its own."""
    folders = [folders] if isinstance(folders, Path) else folders
    tokens = [tokens] if isinstance(tokens, int) else tokens
    length = ("--tokens", *tokens) if tokens else ("--max_iters", iters)
    return command("train", *SMALL, *length, "--data_dir", corpus_dir, "--output_dir", *folders, *flags)
