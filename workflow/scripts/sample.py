"""Let a trained model write tunes.

Writes one .abc file a sample into --output_dir, and a CSV that says for each how many characters the model wrote,
whether it ended the tune itself, and how many characters of a prompt stand before. Nothing is selected or mended.
A set of prompts is a JSON object of names and texts: each name is a folder of its own samples in --prompted_dir.
Sample k of a seed is the same however many are drawn, on the same hardware and with as many threads.
Wide models write in bfloat16 where the hardware multiplies it natively, and then other tunes than in float32.
For a model with byte-pair encoding a prompt best ends with a blank, a bar line or a line, as its tokens do.

Examples:
  python -m workflow.scripts.sample --checkpoint_dir checkpoints/debug_tiny --prompt "M:4/4\\nK:C\\n" --num_samples 5
  python -m workflow.scripts.sample --checkpoint_dir results/models/lstm_xl/1048576-seed0 --continue my.abc
"""

from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.options import add_flags, from_args
from workflow.scripts.corpus.tokenizer import END, Tokenizer
from workflow.scripts.machine.device import pick_device, set_up_cpu
from workflow.scripts.machine.options import add_machine_flags
from workflow.scripts.models.stored import load_model
from workflow.scripts.writing.generate import ROWS, generate, ready_to_write
from workflow.scripts.writing.options import Sampling
from workflow.scripts.writing.prompts import begun, own_tune, read_prompt, read_prompt_set, with_reference_number
from workflow.scripts.writing.samples import Drawn, write_samples


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--checkpoint_dir", required=True, help="folder of a trained model, or its weights file")
    parser.add_argument("--output_dir", default="output/samples", help="folder to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prompt", default="", help=r"text to go on from; \n is a newline; X:1 is added if missing")
    source.add_argument("--prompt_file", help="file with the text to go on from, taken as it is")
    source.add_argument(
        "--continue", dest="own", help="ABC or MIDI file with a tune to go on from, cleaned as a corpus is"
    )
    add_flags(parser, Sampling, "num_samples")
    parser.add_argument("--prompt_set", help="JSON of names and texts to go on from, or a file of it")
    parser.add_argument("--prompted_dir", default="output/prompted", help="folder for a folder a prompt of the set")
    add_flags(parser, Sampling, "samples_per_prompt", "max_new_tokens")
    parser.add_argument("--batch_size", type=cli.positive_int, help=f"no longer used: always {ROWS} tunes at a time")
    add_flags(parser, Sampling, "temperature", "top_k", "top_p", "min_p")
    parser.add_argument("--seed", type=cli.non_negative_int, default=0, help="of the draws")
    add_machine_flags(parser, precision=True)
    args = parser.parse_args(argv)
    sampling = from_args(Sampling, args)

    prompts = read_prompt_set(args.prompt_set) if args.prompt_set else {}
    set_up_cpu(args.threads)
    model, tokenizer, training = load_model(args.checkpoint_dir, pick_device(args.device, args.vram_mb))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise InputError(f"{args.checkpoint_dir}: its weights are not those of a trained model")
    prompt = prompt_of(args, tokenizer)
    start = begun(tokenizer, prompt, args.own or args.prompt_file or "--prompt")
    wanted = [Wanted(Path(args.output_dir), prompt, start, sampling.num_samples)]
    wanted += [after_prompt(name, text, tokenizer, args) for name, text in prompts.items()]
    if args.prompt_set:
        Path(args.prompted_dir).mkdir(parents=True, exist_ok=True)  # empty says that there was no prompt
    writer = ready_to_write(model, args.precision)
    stem = f"{training['model_name']}-seed{args.seed}"
    for folder, text, start, number in wanted:
        samples = generate(writer, start, number, sampling.max_new_tokens, args.seed, **sampling.limits())
        tunes = [Drawn(text, tokenizer.decode(ids), ids[-1] == END) for ids in samples]
        ended = write_samples(folder, stem, tunes)
        print(f"wrote {len(tunes)} tunes to {folder}/{stem}-*.abc; the model ended {ended} of them itself")


def prompt_of(args: Namespace, tokenizer: Tokenizer) -> str:
    """What the samples go on from: a tune of the reader's own, the text of a file, or that of --prompt."""
    if args.own:
        return own_tune(args.own, tokenizer)
    if args.prompt_file:
        return read_prompt(args.prompt_file)
    return with_reference_number(args.prompt.replace("\\n", "\n"))


class Wanted(NamedTuple):
    """Tunes to write into a folder: how they begin, as text and as ids, and how many."""

    folder: Path
    prompt: str
    start: list[int]
    number: int


def after_prompt(name: str, prompt: str, tokenizer: Tokenizer, args: Namespace) -> Wanted:
    """The tunes that go on from a prompt of the set: none, and a sentence about it, if the model cannot read it."""
    path = "" if args.prompt_set.startswith("{") else f"{args.prompt_set}, "
    try:
        start, number = begun(tokenizer, prompt, f"{path}prompt {name!r}"), args.samples_per_prompt
    except InputError as error:  # the corpus may know no voices or titles: no reason to write nothing at all
        print(f"{error}: none are written after it")
        start, number = [], 0
    return Wanted(Path(args.prompted_dir) / name, prompt, start, number)


if __name__ == "__main__":
    cli.run(main)
