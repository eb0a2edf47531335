"""Let a trained model write tunes.

Writes one .abc file a sample into --output_dir, and a CSV that says for each how many characters the
model wrote and whether it ended the tune itself. Sample k of a seed is the same however many are drawn.
Wide models write in bfloat16 where the hardware multiplies it natively, and then other tunes than in float32.
For a model with byte-pair encoding a prompt best ends with a blank, a bar line or a line, as its tokens do.

Example:
  python -m workflow.scripts.sample --checkpoint_dir checkpoints/debug_tiny --prompt "M:4/4\\nK:C\\n" --num_samples 5
"""

import csv
import io
import os
import platform
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow.scripts import cli
from workflow.scripts.checkpoint import load_model
from workflow.scripts.cli import InputError
from workflow.scripts.device import PRECISIONS, pick_device, pick_precision, set_up_cpu
from workflow.scripts.files import write_text
from workflow.scripts.tokenizer import BEGIN, END

BF16_PAYS_FROM = 128  # narrowest model that writes faster in bfloat16, measured on a CPU


class PackedLinear(nn.Module):
    """A linear layer whose weight is laid out once for oneDNN, which would else do so again for every token.

    Through the operators that torch's own compiler uses for weights that no longer change.
    """

    def __init__(self, linear: nn.Linear, batch: int):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), batch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")


def can_pack(precision: str) -> bool:
    """Whether oneDNN lays out weights of this precision on this CPU."""
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    return precision == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def ready_to_write(model: nn.Module, precision: str, batch: int) -> nn.Module:
    """The model with weights in the precision asked for, laid out for ``batch`` tunes at a time."""
    device = model.wte.weight.device
    if precision == "auto":
        precision = pick_precision("auto", device) if model.config.n_embd >= BF16_PAYS_FROM else "float32"
    model = model.to(getattr(torch, precision))
    if device.type == "cpu" and can_pack(precision):
        for block in model.modules():
            for name, part in list(block.named_children()):
                if isinstance(part, nn.Linear):
                    setattr(block, name, PackedLinear(part, batch))
    return model


def filtered(logits: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Probabilities (B, V) after temperature, then the k likeliest, then the smallest set of mass p."""
    if temperature == 0:
        return nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).double()
    logits = logits.double() / temperature
    if 0 < top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    probabilities = logits.softmax(dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        outside = ordered.cumsum(dim=-1) - ordered >= top_p
        outside[:, 0] = False  # the likeliest always stays, even at p = 0
        probabilities = probabilities.masked_fill(outside.gather(-1, order.argsort(dim=-1)), 0)
    return probabilities / probabilities.sum(dim=-1, keepdim=True)


@torch.inference_mode()
def generate(
    model: nn.Module,
    prompt: list[int],
    num_samples: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    first: int = 0,
) -> list[list[int]]:
    """Ids that follow ``prompt``, up to and with END where the model gives it, for samples ``first`` and on.

    A Transformer keeps keys and values of what it has seen; when its context is full it goes on from
    the last half of it, so every token is predicted from at least half a context, as in `scoring`.
    """
    device = next(model.parameters()).device
    draws = torch.stack(
        [
            torch.rand(max_new_tokens, generator=torch.Generator().manual_seed(seed * 1_000_003 + k)).double()
            for k in range(first, first + num_samples)
        ]
    )
    half = max(model.config.block_size // 2, 1)
    written = torch.tensor(prompt).expand(num_samples, -1)
    ended = torch.zeros(num_samples, dtype=torch.bool)
    state = model.empty_state(num_samples)
    unread = written if model.carries_state else written[:, -model.config.block_size :]
    for step in range(max_new_tokens):
        if model.is_full(state):
            state, unread = state.emptied(), written[:, -half:]
        logits, state = model(unread.to(device), state)
        # Drawn on the CPU in double precision, for the same choice on every device.
        cumulative = filtered(logits[:, -1].cpu(), temperature, top_k, top_p).cumsum(dim=-1)
        # Rounding may leave the last sum a hair under 1: scale the draw by it, never fall off its end.
        draw = draws[:, step, None] * cumulative[:, -1:]
        unread = torch.searchsorted(cumulative, draw, right=True).clamp(max=cumulative.shape[-1] - 1)
        written = torch.cat((written, unread), dim=1)
        ended |= unread[:, 0] == END
        if ended.all():
            break
    continuations = written[:, len(prompt) :].tolist()
    return [ids[: ids.index(END) + 1] if END in ids else ids for ids in continuations]


def with_reference_number(prompt: str) -> str:
    """A prompt that no program would take for a tune's start gets the X: field that starts one."""
    return prompt if not prompt or prompt.startswith("X:") else f"X:1\n{prompt}"


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--checkpoint_dir", required=True, help="folder of a trained model, or its weights file")
    parser.add_argument("--output_dir", default="output/samples", help="folder to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prompt", default="", help=r"text to go on from; \n is a newline; X:1 is added if missing")
    source.add_argument("--prompt_file", help="file with the text to go on from, taken as it is")
    parser.add_argument("--num_samples", type=cli.positive_int, default=5, help="tunes to write")
    parser.add_argument("--max_new_tokens", type=cli.positive_int, default=1024, help="longest tune, in tokens")
    parser.add_argument("--batch_size", type=cli.positive_int, default=32, help="tunes to write at a time")
    parser.add_argument("--temperature", type=cli.non_negative_float, default=1.0, help="0 takes the likeliest")
    parser.add_argument("--top_k", type=cli.non_negative_int, default=0, help="draw among the k likeliest; 0 is all")
    parser.add_argument("--top_p", type=cli.fraction, default=1.0, help="draw from the likeliest set of this mass")
    parser.add_argument("--seed", type=cli.non_negative_int, default=0, help="of the draws")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of weights and products")
    parser.add_argument("--vram_mb", type=cli.non_negative_int, default=0, help="share of a GPU to take; 0: all of it")
    parser.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
    args = parser.parse_args(argv)

    set_up_cpu(args.threads)
    model, tokenizer, training = load_model(args.checkpoint_dir, pick_device(args.device, args.vram_mb))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise InputError(f"{args.checkpoint_dir}: its weights are not those of a trained model")
    if args.prompt_file:
        try:
            prompt = Path(args.prompt_file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{args.prompt_file} is not UTF-8 text") from error
    else:
        prompt = with_reference_number(args.prompt.replace("\\n", "\n"))
    model = ready_to_write(model, args.precision, args.batch_size)
    start = [BEGIN, *tokenizer.encode(prompt).tolist()]
    ids = []
    for first in range(0, args.num_samples, args.batch_size):
        number = min(args.batch_size, args.num_samples - first)
        ids += generate(
            model, start, number, args.max_new_tokens, args.temperature, args.top_k, args.top_p, args.seed, first
        )
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["file", "chars", "ended"])
    stem = f"{training['model_name']}-seed{args.seed}"
    for old in Path(args.output_dir).glob(f"{stem}-*.abc"):  # of an earlier run that drew more
        old.unlink()
    for k, sample in enumerate(ids):
        text = prompt + tokenizer.decode(sample)
        name = f"{stem}-{k:03d}.abc"
        write_text(Path(args.output_dir) / name, text if text.endswith("\n") else text + "\n")
        rows.writerow([name, len(text) - len(prompt), sample[-1] == END])
    write_text(Path(args.output_dir) / f"{stem}.csv", table.getvalue())
    ended = sum(sample[-1] == END for sample in ids)
    print(f"wrote {len(ids)} tunes to {args.output_dir}/{stem}-*.abc; the model ended {ended} of them itself")


if __name__ == "__main__":
    cli.run(main)
