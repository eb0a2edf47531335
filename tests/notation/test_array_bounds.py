import os
import subprocess
import sys

from tests.conftest import ROOT


def test_nothing_is_read_or_written_outside_the_arrays(tmp_path):
    """Compiled with checks of every index, over texts that end anywhere."""
    code = """
import numpy as np
from tests.notation.conftest import ALL, DEFAULT, abc_ish
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.sound import listen
from workflow.scripts.notation.rests import longest_rests

try:
    longest_rests(np.zeros(1, np.uint8), np.array([0, 9]))
except IndexError:
    print("checked")
n = 0
for raw in abc_ish(1500, seed=3):
    data = raw.encode()
    found = find_tunes(np.frombuffer(data, np.uint8))
    n += len(found)
    for cleaning in (DEFAULT, ALL):
        text, bounds = clean(data, found, cleaning)
        listen(text, bounds)
        longest_rests(text, bounds)
    whole = np.frombuffer(data, np.uint8)  # and of text that was never cleaned
    listen(whole, np.array([0, len(whole)]))
    longest_rests(whole, np.array([0, len(whole)]))
print(n)
"""
    env = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    checked, n = done.stdout.split()
    assert checked == "checked"
    assert int(n) > 1500
