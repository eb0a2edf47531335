"""A figure that was drawn again, beside the one on record: the same bytes, the same picture, or what differs."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from workflow.scripts.base.files import CAPTIONS

SAME = "the same, byte for byte"
NEW = "not on record"


class Redrawn(NamedTuple):
    """A figure.

    Attributes:
        drawn: the PNG that was drawn now.
        recorded: where it is on record, if it is.
        picture: how they compare: `SAME`, `NEW`, or in words what differs.
        other_words: whether both have a caption, and other ones.
    """

    drawn: Path
    recorded: Path
    picture: str
    other_words: bool

    @property
    def caption(self) -> str:
        """What stands under it."""
        return caption_of(self.drawn) or ""


def compare(drawn: Path, recorded: Path) -> Redrawn:
    """Set a PNG that was drawn beside the one of the same name in a folder of what is on record."""
    recorded = recorded / drawn.name
    words = {caption_of(drawn), caption_of(recorded)} - {None}
    return Redrawn(drawn, recorded, of_pictures(drawn, recorded), len(words) > 1)


def of_pictures(drawn: Path, recorded: Path) -> str:
    """How two PNGs compare; of the same size, by the share of pixels that have another colour."""
    if not recorded.exists():
        return NEW
    if drawn.read_bytes() == recorded.read_bytes():
        return SAME
    now, then = (np.asarray(Image.open(path).convert("RGB")) for path in (drawn, recorded))
    if now.shape != then.shape:
        return "another size"
    return f"{(now != then).any(axis=-1).mean():.2%} of pixels differ"


def caption_of(png: Path) -> str | None:
    """What stands under a figure; None if nobody wrote it down."""
    path = png.parent / CAPTIONS / f"{png.stem}.md"
    return path.read_text(encoding="utf-8").strip() if path.exists() else None
