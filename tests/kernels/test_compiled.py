"""What is compiled computes the same in the process that compiled it and in one that found it in the cache."""

import os
import subprocess
import sys

from tests.conftest import ROOT

LOSS = """
import hashlib
import numpy as np
from workflow.scripts.kernels.rows import cross_entropy
draw = np.random.default_rng(0)
logits = draw.normal(size=(64, 104)).astype(np.float32)
gradient = np.zeros_like(logits)
loss = cross_entropy(logits, draw.integers(0, 104, 64), 104, np.float32(1 / 64), gradient)
print(loss, hashlib.sha256(gradient.tobytes()).hexdigest())
"""


def test_a_kernel_is_the_same_compiled_and_from_the_cache(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    said = [
        subprocess.run([sys.executable, "-c", LOSS], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbi"))
    assert said[0] == said[1]
