"""What a GPU can do by its makers."""

import re

from workflow.scripts.training.cost import DEVICES

# Words of CUDA's name for a GPU that do not tell one board from another: the maker, the socket and the memory.
COMMON = re.compile(r"nvidia|geforce|tesla|sxm\d*|\d+gb|hbm\w+")


def makers_flops(name: str, precision: str) -> float | None:
    """FLOP a second of a GPU by its makers, of dense products; None of a board that no table has.

    Args:
        name: as CUDA calls the GPU, such as "NVIDIA H100 80GB HBM3". The table has SXM boards where there are several;
            another one, as "NVIDIA H100 PCIe", is slower.
    """
    board = "".join(word for word in re.split(r"[\s-]+", name.lower()) if not COMMON.fullmatch(word))
    key = board if board in DEVICES else board.removeprefix("rtx")
    return 1e12 * DEVICES[key].tflops[precision] if key in DEVICES else None
