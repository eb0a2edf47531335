"""One token's attention over the cache against the textbook's, in every precision."""

import pytest
import torch

from workflow.scripts.models.layers.kv_cache import Cache


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2**-7)]
)
@pytest.mark.parametrize("length", [1, 7, 33])
def test_one_query_finds_what_softmax_of_its_scores_weighs(dtype, tolerance, length):
    torch.manual_seed(0)
    L, B, H, room, D = 2, 3, 2, 33, 12
    cache = Cache.empty(L, B, H, room, D, like=torch.zeros(0, dtype=dtype))
    keys, values = torch.randn(2, L, B, H, length, D).to(dtype)
    for start, stop in ((0, length // 2), (length // 2, length)):  # written in two parts
        cache = cache.plus(stop - start)
        for layer in range(L):
            cache.write(layer, keys[layer, :, :, start:stop], values[layer, :, :, start:stop])
    q = torch.randn(H, D, B, 1).to(dtype).permute(2, 0, 3, 1)  # not as it would lie by itself
    for layer in range(L):
        found = cache.attend_once(layer, q, 0.7)
        assert found.dtype == dtype
        weights = (q.double() @ keys[layer].double().mT * 0.7).softmax(-1)
        torch.testing.assert_close(found.double(), weights @ values[layer].double(), atol=tolerance, rtol=tolerance)
