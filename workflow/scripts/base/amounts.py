"""Large counts as people write them."""


def short(value: float, _: object = None) -> str:
    """12800 -> 12.8k, 7.4e8 -> 740M; from 1e12 on a power of ten. A ticker's second argument is not read."""
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size <= value < 1000 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}" if value < 1000 else f"{value:.2g}".replace("e+", "e")
