"""The small runs of `train` that tests start."""

from tests.conftest import command

SMALL = ("--n_layer", 1, "--n_embd", 16, "--n_head", 2, "--context_size", 32, "--batch_size", 4, "--grad_accum", 2,
         "--learning_rate", 0.01, "--model_name", "t", "--threads", 1, "--precision", "float32")  # fmt: skip


def train(corpus_dir, folder, *flags, iters=40, tokens=0):
    """A run of so many steps or tokens; of neither if tokens is None."""
    length = () if tokens is None else ("--tokens", tokens) if tokens else ("--max_iters", iters)
    return command("train", *SMALL, *length, "--data_dir", corpus_dir, "--output_dir", folder, *flags)
