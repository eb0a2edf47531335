"""Judge what writers wrote, in every way there is: is it music, how does it sound, how much of it is copied.

A writer is a folder: of a model's run, of n-grams or of real tunes. Its tunes stand in samples/, and in prompted/ those
after each prompt, which are judged by form and style alone. Writes into it what three commands write, that also work
by themselves:
  validity.json, midi/   eval_syntax
  style.json             eval_style
  copying.json           copying

Example:
  python -m workflow.scripts.judge --writers results/models/gpt_tiny/1048576-seed0 --data_dir data/corpora/music21
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.writing import copying, style, validity


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--writers", required=True, nargs="+", type=Path, help="folders of what was written")
    parser.add_argument("--prompts", nargs="*", default=[], help="names of the prompts, folders in prompted/")
    parser.add_argument("--data_dir", required=True, type=Path, help="corpus that prepare wrote, with its copy_index")
    args = parser.parse_args(argv)

    for writer in args.writers:
        judge(writer, args.prompts, args.data_dir)


def judge(writer: Path, prompts: list[str], data_dir: Path) -> None:
    """Write into a writer's folder what all judges say of its tunes."""
    samples = writer / "samples"
    with ThreadPoolExecutor(1) as beside:  # it mostly waits for programs
        asked = beside.submit(validity.report_on, samples, writer / "midi")
        sounds = style.report_on([samples, *(writer / "prompted" / name for name in prompts)], data_dir)
        copied = copying.report_on(samples, data_dir / "copy_index")
        valid = asked.result()
    write_json(writer / "validity.json", valid)
    write_json(writer / "style.json", sounds)
    write_json(writer / "copying.json", copied)
    print(f"{writer}:")
    validity.print_report(valid)
    style.print_report(sounds)
    copying.print_report(copied)


if __name__ == "__main__":
    cli.run(main)
