"""Whether what is fast finds the losses that torch's own operators find, over the models of the default study.

Each model is trained four ways, from the same weights on the same tokens, to the study's largest budget: by torch's own
operators in single precision; by these with half as many windows in a pass, which changes nothing but how sums are
rounded; and by ours, in single precision and in bfloat16. A thousand steps at a high learning rate make much of a last
digit, so the second says how far two runs that should be the same come apart.

Example:
  python -m benchmarks.agreement data/corpora/music21
"""

import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
import yaml

from benchmarks.against import write_result
from benchmarks.ideas import put_out_of_use
from workflow.scripts import models, study, study_config, train
from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.perplexity import Evaluator

STUDY = Path(__file__).parents[1] / "config.yaml"
CPU = torch.device("cpu")
# What is put out of use, and the flags that differ from the study's.
WAYS = {
    "torch": (("one call", "kernels", "recurrence"), {}),
    "torch, half a batch in a pass": (("one call", "kernels", "recurrence"), {"batch_size": 4, "grad_accum": 2}),
    "ours, float32": ((), {}),
    "ours, bfloat16": ((), {"precision": "bfloat16"}),
}


def test_loss(way: str, name: str, seed: int, corpus: str) -> float:
    """Test loss of a model of the study, in nats a character, trained one of the `WAYS`; in a process of its own."""
    parts, changes = WAYS[way]
    for arch in models.names():
        models.module_for(arch)
    for part in parts:
        put_out_of_use(part)
    config = study_config.typed(yaml.safe_load(STUDY.read_text()))
    flags = study.train_flags(config, name, **changes).split()
    with tempfile.TemporaryDirectory() as folder:
        where = ["--data_dir", corpus, "--output_dir", folder, "--device", "cpu", "--threads", "1"]
        what = ["--model_name", name, "--tokens", str(max(config["tokens"])), "--seed", str(seed)]
        train.main([*flags, *what, *where])
        return float(Evaluator("test", CPU, 16).evaluate(folder).summary["loss"])


def main() -> None:
    arguments = cli.parser(__doc__)
    arguments.add_argument("corpus", help="a corpus that prepare wrote")
    arguments.add_argument("--cores", type=cli.positive_int, default=2)
    arguments.add_argument("--seed", type=cli.non_negative_int, default=0)
    args = arguments.parse_args()
    Corpus.load(args.corpus)  # a sentence if it is none
    suite = yaml.safe_load(STUDY.read_text())["suite"]
    context = get_context("spawn")
    with ProcessPoolExecutor(args.cores, context, max_tasks_per_child=1) as pool:
        asked = {
            (name, way): pool.submit(test_loss, way, name, args.seed, args.corpus)
            for name in reversed(suite)
            for way in WAYS
        }
        rows = [{"name": name, **{way: asked[name, way].result() for way in WAYS}} for name in suite]
    torch.set_num_threads(1)
    write_result("agreement", CPU, [], agreement=rows)


if __name__ == "__main__":
    cli.run(main)
