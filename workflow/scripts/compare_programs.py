"""Ask other people's programs what they say of the notations on which they and ABC 2.1 disagree, and record it.

The notations are those of workflow/scripts/manual/disputed.py. abc2midi and music21 come with our packages; abcm2ps is
looked for on the PATH, and abcjs and abc2svg by node on NODE_PATH (npm install abcjs abc2svg). One that is not there is
left out, and the page that is written from this record then says nothing of it.

A program takes a notation if it has no error to report: abc2midi but for the errors that eval_syntax passes over,
abcm2ps and abc2svg but for warnings, abcjs without a warning, as it reports errors so. abc2midi and music21 must find a
note, too.

Example:
  NODE_PATH=~/node_modules python -m workflow.scripts.compare_programs --output docs/checker/programs.json
"""

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.manual.disputed import DISPUTED
from workflow.scripts.manual.examples import tune_of
from workflow.scripts.manual.other_programs import NAMES, ask


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--output", default="docs/checker/programs.json", help="file to write")
    parser.add_argument(
        "--timeout", type=cli.positive_float, default=30, help="seconds a program may take for a text, and node for all"
    )
    args = parser.parse_args(argv)

    texts = [tune_of(notation.example) + "\n" for notation in DISPUTED]
    said = ask(texts, args.timeout)
    for name in NAMES:
        takes = f"takes {said[name].errors.count('')} of {len(texts)}" if name in said else "is not installed"
        print(f"{name:<9} {takes}")
    record = {
        "programs": {name: answer.version for name, answer in said.items()},
        "errors": {
            notation.example: {name: answer.errors[i] for name, answer in said.items()}
            for i, notation in enumerate(DISPUTED)
        },
    }
    write_json(args.output, record)


if __name__ == "__main__":
    cli.run(main)
