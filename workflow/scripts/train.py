"""Train one model on a prepared corpus, to one or several budgets of tokens.

Writes into each --output_dir: model.safetensors and config.json (the model), history.csv (how the loss
fell; train_loss and val_loss are nats a character, whatever the tokenizer), and while it runs
checkpoint.pt, from which the same command goes on after a kill. On a CPU a run that was killed and
resumed ends with the same weights, byte for byte, as one that was not.

Runs of several budgets share all but their cooldowns: the longest is trained, and each shorter one branches off it on
the way and ends with the weights that it would have if trained by itself. What is finished is not trained again.

Examples:
  python -m workflow.scripts.train --model_name debug_tiny --n_layer 2 --n_embd 256 --n_head 4 --max_iters 500 --batch_size 64
  python -m workflow.scripts.train --arch lstm --model_name rnn_large --n_layer 5 --n_embd 1472 --context_size 128 --max_iters 3000
  python -m workflow.scripts.train --model_name gpt_xxl --n_layer 24 --n_embd 1600 --n_head 25 --batch_size 1 --grad_accum 32 --max_iters 10000
  python -m workflow.scripts.train --model_name small --tokens 1000000 8000000 --output_dir small/1m small/8m
  torchrun --standalone --nproc_per_node 4 -m workflow.scripts.train --model_name gpt_xxl --batch_size 8 --grad_accum 4
"""  # noqa: E501

import argparse

from workflow.scripts.base import cli
from workflow.scripts.base.options import add_flags, flags_of, from_args
from workflow.scripts.machine.device import set_up_cpu
from workflow.scripts.training.loop import train_all
from workflow.scripts.training.options import TrainingOptions


def arguments() -> argparse.ArgumentParser:
    """The parser of all of `TrainingOptions`."""
    parser = cli.parser(__doc__)
    for title in ("model", "length and batch", "optimisation", "files", "machine"):
        group = parser.add_argument_group(title)
        either = group.add_mutually_exclusive_group() if title == "length and batch" else group
        add_flags(either, TrainingOptions, *flags_of(TrainingOptions, group=title))
    return parser


def main(argv: list[str] | None = None) -> None:
    parser = arguments()
    options = from_args(TrainingOptions, parser.parse_args(argv))
    if options.contradiction:
        parser.error(options.contradiction)
    set_up_cpu(options.threads)
    train_all(options)


if __name__ == "__main__":
    cli.run(main)
