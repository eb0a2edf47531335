"""Options of where a command computes, which several commands share. Needs no torch, which takes a second to load."""

import argparse
import os

from workflow.scripts.base import cli

PRECISIONS = ("auto", "float32", "bfloat16")
CONTEXT_MB = 600  # of --vram_mb, what CUDA, cuBLAS and cuDNN take before the first tensor


def add_machine_flags(parser: argparse._ActionsContainer, precision: bool = False) -> None:
    """Add the flags of where a trained model is used: --device, --vram_mb, --threads and, if wanted, --precision.

    Their values are for `machine.device`: ``pick_device(args.device, args.vram_mb)``, ``set_up_cpu(args.threads)`` and
    ``pick_precision(args.precision, device)``.
    """
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    if precision:
        parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of weights and products")
    parser.add_argument("--vram_mb", type=cli.non_negative_int, default=0, help="share of a GPU to take; 0: all of it")
    parser.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
