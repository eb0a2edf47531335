"""A study of which the gallery shows tunes: two models, people and an n-gram, and a hostile text."""

import shutil
import subprocess

import pandas as pd
import pytest

from workflow.scripts.base import measures
from workflow.scripts.gallery.tunes import shown
from workflow.scripts.gallery.writers import Writer

REEL = "X:1\nT:The Mill\nM:2/4\nL:1/8\nK:D\nDF AF|GB AF|DF AF|GE D2|\ndf af|gb af|df af|ge d2|]\n"
AIR = "X:1\nT:An Air\nM:3/4\nL:1/4\nK:G\nG A B|d2 B|A G E|G3|\nG A B|d2 B|A B A|G3|]\n"
WRONG = "X:1\nM:2/4\nL:1/8\nK:D\nDF AF|GB AFA|DF AF|GE D2}|\n"  # a bar that is too long, and a } without its {
HOSTILE = """X:1
T:<script>window.harm = 1</script><img src=x onerror="window.harm = 2">
C:javascript:window.harm=3
%%abc-include http://example.org/harm.abc
%%begintext
<b>harm</b>
%%endtext
%%titlefont Helvetica 99
I:titlefont Helvetica 99
M:2/4
L:1/8
K:D
w:</script><script>window.harm = 4</script>
"<svg onload='window.harm = 5'>"DF AF|[I:MIDI program 9]GB AF|"javascript:window.harm=6"DF AF|GE D2|
DF AF|GB AF|DF AF|GE D2|
"""


def row(**rates: float) -> pd.Series:
    """What writing.csv says of a writer, of 24 tunes."""
    said: dict = {"samples": 24}
    for rate in (measures.SYNTAX, measures.RHYTHM, measures.COPIED):
        share = rates.get(rate, 0.5)
        said |= {rate.rate: share, rate.low: max(0, share - 0.2), rate.high: min(1, share + 0.2), rate.n: 24}
    return pd.Series(said)


@pytest.fixture(scope="session")
def npm() -> None:
    """Tests that install abcjs need npm, and the registry that it is set up for."""
    if not shutil.which("npm"):
        pytest.skip("needs npm (requirements-browser.txt)")
    if subprocess.run(["npm", "view", "abcjs", "version"], capture_output=True, timeout=120).returncode:
        pytest.skip("needs a registry of npm that is reachable")


@pytest.fixture(scope="session")
def writers() -> list[Writer]:
    prompt = "X:1\nM:2/4\nL:1/8\nK:D\n"
    small = Writer("gpt_small", "gpt", 1000, 4096, row(syntax=0.25), 2.0, [shown(1, WRONG), shown(2, REEL)])
    large = Writer("gpt_large", "gpt", 2000, 4096, row(), 1.5, [shown(1, HOSTILE), shown(2, REEL), shown(3, AIR)])
    small.prompts = {"key": [shown(1, prompt + "DF AF|GB}\n", len(prompt))]}
    large.prompts = {"key": [shown(1, prompt + "df af|gb af|]\n", len(prompt))]}
    copied = {
        measures.COPIED: True, measures.SIMILARITY: 0.9, "nearest": {"source": "book.abc:7"}, measures.LCS_SHARE: 0.4,
        measures.TRANSPOSED_SIMILARITY: 0.7, "transposed_nearest": {"source": "book.abc:1"},
        "lcs_tune": {"source": "book.abc:9"},
    }  # fmt: skip
    ngram = Writer("ngram4", "", None, None, row(), None, [shown(1, REEL, copied=copied)])
    real = Writer("real", "", None, None, row(syntax=1.0), None, [shown(1, AIR), shown(2, REEL)])
    return [ngram, real, large, small]
