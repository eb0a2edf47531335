"""Let a trained model write tunes.

Writes one .abc file a sample into --output_dir, and a CSV that says for each how many characters the model wrote,
whether it ended the tune itself, and how many characters of a prompt stand before. Nothing is selected or mended.
A set of prompts is a JSON object of names and texts: each name is a folder of its own samples in --prompted_dir.
Sample k of a seed is the same however many are drawn, on the same hardware and with as many threads.
Wide models write in bfloat16 where the hardware multiplies it natively, and then other tunes than in float32.
For a model with byte-pair encoding a prompt best ends with a blank, a bar line or a line, as its tokens do.

Example:
  python -m workflow.scripts.sample --checkpoint_dir checkpoints/debug_tiny --prompt "M:4/4\\nK:C\\n" --num_samples 5
"""

import json
import os
import platform
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from workflow.scripts.base import cli
from workflow.scripts.base.cli import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus.pieces import whole_text
from workflow.scripts.corpus.tokenizer import BEGIN, END, Tokenizer
from workflow.scripts.machine.device import PRECISIONS, pick_device, pick_precision, set_up_cpu
from workflow.scripts.training.state import load_model
from workflow.scripts.writing.samples import Drawn, write_samples

# Tunes written at a time, always: the last few are filled up with more of the same. A product of another number of
# rows adds up in another order, which in bfloat16 soon gives another tune. One tune costs up to twice what it would.
ROWS = 16
BF16_PAYS_FROM = 128  # narrowest model that writes faster in bfloat16, measured on a CPU
PACKING_PAYS_FROM = 256  # narrowest that does so in float32 with packed weights: oneDNN takes 10 us more for a product


class PackedLinear(nn.Module):
    """A linear layer whose weight is laid out once for oneDNN, which would else do so again for every token.

    Through the operators that torch's own compiler uses for weights that no longer change.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")


def can_pack(precision: str) -> bool:
    """Whether oneDNN lays out weights of this precision on this CPU."""
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    return precision == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def ready_to_write(model: nn.Module, precision: str) -> nn.Module:
    """The model with weights in the precision asked for, laid out for speed where that can be."""
    device = model.wte.weight.device
    if precision == "auto":
        precision = pick_precision("auto", device) if model.config.n_embd >= BF16_PAYS_FROM else "float32"
    model = model.to(getattr(torch, precision))
    wide = precision != "float32" or model.config.n_embd >= PACKING_PAYS_FROM
    if wide and device.type == "cpu" and can_pack(precision):
        for block in model.modules():
            for name, part in list(block.named_children()):
                if isinstance(part, nn.Linear):
                    setattr(block, name, PackedLinear(part))
    return model


def filtered(
    logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0
) -> Tensor:
    """Probabilities (B, V), in double precision, of logits (B, V) after what limits the choice, in this order.

    Temperature; the k likeliest (0: all); the smallest set of mass p (Holtzman 2020); those at least ``min_p``
    times as likely as the likeliest (Nguyen 2024, "Turning Up the Heat"). So does Hugging Face's transformers.
    """
    if temperature == 0:
        return nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).double()
    logits = logits.double()
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # no overflow, however cold
    if 0 < top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    probabilities = logits.softmax(dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        outside = ordered.cumsum(dim=-1) - ordered >= top_p
        outside[:, 0] = False  # the likeliest always stays, even at p = 0
        probabilities = probabilities.masked_fill(outside.gather(-1, order.argsort(dim=-1)), 0)
    if min_p > 0:
        least = min_p * probabilities.amax(dim=-1, keepdim=True)
        probabilities = probabilities.masked_fill(probabilities < least, 0)
    return probabilities / probabilities.sum(dim=-1, keepdim=True)


@torch.inference_mode()
def generate(
    model: nn.Module, prompt: list[int], num_samples: int, max_new_tokens: int, seed: int = 0, **limits: float
) -> list[list[int]]:
    """Ids that follow ``prompt`` in each of the samples, up to and with END where the model gives it.

    ``limits`` are those of `filtered`. Sample k hangs on the seed and on k alone: it is always the same row of a
    batch of the same size, and its draws are its own.
    """
    samples: list[list[int]] = []
    for first in range(0, num_samples, ROWS):
        last = min(first + ROWS, num_samples) - 1
        numbers = [min(first + row, last) for row in range(ROWS)]
        samples += write_rows(model, prompt, numbers, max_new_tokens, seed, limits)[: last - first + 1]
    return samples


def write_rows(
    model: nn.Module, prompt: list[int], numbers: list[int], max_new_tokens: int, seed: int, limits: dict
) -> list[list[int]]:
    """Of one batch, the ids that follow ``prompt`` in samples ``numbers``.

    A Transformer keeps keys and values of what it has seen; when its context is full it goes on from
    the last half of it, so every token is predicted from at least half a context, as in `scoring`.
    """
    device = next(model.parameters()).device
    draws = torch.stack(
        [
            torch.rand(max_new_tokens, generator=torch.Generator().manual_seed(seed * 1_000_003 + k)).double()
            for k in numbers
        ]
    )
    half = max(model.config.block_size // 2, 1)
    written = torch.tensor(prompt).expand(len(numbers), -1)
    ended = torch.zeros(len(numbers), dtype=torch.bool)
    state = model.empty_state(len(numbers))
    unread = written if model.carries_state else written[:, -model.config.block_size :]
    for step in range(max_new_tokens):
        if model.is_full(state):
            state, unread = state.emptied(), written[:, -half:]
        logits, state = model(unread.to(device), state)
        # Drawn on the CPU in double precision, for the same choice on every device.
        cumulative = filtered(logits[:, -1].cpu(), **limits).cumsum(dim=-1)
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


def read_prompt(path: str) -> str:
    """The text of a file, read as `prepare` reads a tune: in any encoding, with or without a byte order mark."""
    return whole_text(Path(path).read_bytes()).decode()


def read_prompt_set(path: str) -> dict[str, str]:
    """Texts to go on from, by names that can be those of folders; ``path`` may also be the JSON itself.

    Raises:
        InputError: it is not a JSON object of such names and of texts.
    """
    try:
        prompts = json.loads(path) if path.startswith("{") else read_json(path)
    except ValueError as error:
        raise InputError(f"--prompt_set is not readable as JSON ({error})") from error
    for name, text in prompts.items():
        if not re.fullmatch(r"[\w-]+", name) or not isinstance(text, str) or not text:
            raise InputError(f"{path}: {name!r} is not a name of letters, digits, _ and - with the text of a prompt")
    return prompts


def begun(tokenizer: Tokenizer, prompt: str, name: str) -> list[int]:
    """Ids of a tune's beginning: its begin token, then the prompt; raises InputError if a character is unknown."""
    try:
        return [BEGIN, *tokenizer.encode(prompt).tolist()]
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--checkpoint_dir", required=True, help="folder of a trained model, or its weights file")
    parser.add_argument("--output_dir", default="output/samples", help="folder to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prompt", default="", help=r"text to go on from; \n is a newline; X:1 is added if missing")
    source.add_argument("--prompt_file", help="file with the text to go on from, taken as it is")
    parser.add_argument("--num_samples", type=cli.positive_int, default=5, help="tunes to write")
    parser.add_argument("--prompt_set", help="JSON of names and texts to go on from, or a file of it")
    parser.add_argument("--prompted_dir", default="output/prompted", help="folder for a folder a prompt of the set")
    parser.add_argument("--samples_per_prompt", type=cli.positive_int, default=16, help="tunes a prompt of the set")
    parser.add_argument("--max_new_tokens", type=cli.positive_int, default=1024, help="longest tune, in tokens")
    parser.add_argument("--batch_size", type=cli.positive_int, help=f"no longer used: always {ROWS} tunes at a time")
    parser.add_argument("--temperature", type=cli.non_negative_float, default=1.0, help="0 takes the likeliest")
    parser.add_argument("--top_k", type=cli.non_negative_int, default=0, help="draw among the k likeliest; 0 is all")
    parser.add_argument("--top_p", type=cli.fraction, default=1.0, help="draw from the likeliest set of this mass")
    parser.add_argument("--min_p", type=cli.fraction, default=0.0, help="draw none below this share of the likeliest")
    parser.add_argument("--seed", type=cli.non_negative_int, default=0, help="of the draws")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="of weights and products")
    parser.add_argument("--vram_mb", type=cli.non_negative_int, default=0, help="share of a GPU to take; 0: all of it")
    parser.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
    args = parser.parse_args(argv)

    prompt = (
        read_prompt(args.prompt_file) if args.prompt_file else with_reference_number(args.prompt.replace("\\n", "\n"))
    )
    prompts = read_prompt_set(args.prompt_set) if args.prompt_set else {}
    set_up_cpu(args.threads)
    model, tokenizer, training = load_model(args.checkpoint_dir, pick_device(args.device, args.vram_mb))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise InputError(f"{args.checkpoint_dir}: its weights are not those of a trained model")
    wanted = [
        (Path(args.output_dir), prompt, begun(tokenizer, prompt, args.prompt_file or "--prompt"), args.num_samples)
    ]
    told = "" if not args.prompt_set or args.prompt_set.startswith("{") else f"{args.prompt_set}, "
    for name, text in prompts.items():
        try:
            start, number = begun(tokenizer, text, f"{told}prompt {name!r}"), args.samples_per_prompt
        except InputError as error:  # the corpus may know no voices or titles: no reason to write nothing at all
            print(f"{error}: none are written after it")
            start, number = [], 0
        wanted.append((Path(args.prompted_dir) / name, text, start, number))

    if args.prompt_set:
        Path(args.prompted_dir).mkdir(parents=True, exist_ok=True)  # empty says that there was no prompt
    model = ready_to_write(model, args.precision)
    limits = {name: getattr(args, name) for name in ("temperature", "top_k", "top_p", "min_p")}
    stem = f"{training['model_name']}-seed{args.seed}"
    for folder, text, start, number in wanted:
        samples = generate(model, start, number, args.max_new_tokens, args.seed, **limits)
        tunes = [Drawn(text, tokenizer.decode(ids), ids[-1] == END) for ids in samples]
        ended = write_samples(folder, stem, tunes)
        print(f"wrote {len(tunes)} tunes to {folder}/{stem}-*.abc; the model ended {ended} of them itself")


if __name__ == "__main__":
    cli.run(main)
