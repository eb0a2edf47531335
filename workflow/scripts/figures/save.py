"""Write a finished figure as PDF and PNG, and its caption: whole or not at all, and the same bytes every time."""

from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from workflow.scripts.base.files import CAPTIONS, atomic_path, write_text
from workflow.scripts.base.latex import escape
from workflow.scripts.figures.look import DPI


class Picture(NamedTuple):
    """A figure, and the sentences that stand under it on a page or in a paper."""

    figure: Figure
    caption: str


def save(picture: Picture, path: Path, note: str = "") -> None:
    """Write ``path``.pdf and ``path``.png, and its caption as .md and .tex into a folder beside; close the figure.

    A ``note`` ends the caption.

    Its canvases are called directly. `savefig` would first draw everything once more to find out where it is, and
    here everything is where the layout left it.
    """
    for suffix, write in ((".pdf", as_pdf), (".png", as_png)):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            write(picture.figure, temporary)
    plt.close(picture.figure)
    caption = f"{picture.caption} {note}".rstrip()
    for suffix, text in ((".md", caption), (".tex", escape(caption))):
        write_text(path.parent / CAPTIONS / f"{path.name}{suffix}", f"{text}\n")


def as_pdf(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # of what is a picture inside
    FigureCanvasPdf(fig).print_pdf(path, metadata={"CreationDate": None})


def as_png(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # a PDF leaves its own
    FigureCanvasAgg(fig).print_png(path, metadata={"Software": None})
