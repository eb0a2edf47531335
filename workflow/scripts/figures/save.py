"""Write a finished figure as PDF and PNG: whole or not at all, and the same bytes for the same figure."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from workflow.scripts.base.files import atomic_path

DPI = 200


def save(fig: Figure, path: Path) -> None:
    """Write ``path``.pdf and ``path``.png, and close the figure.

    Its canvases are called directly. `savefig` would first draw everything once more to find out where it is, and
    here everything is where the layout left it.
    """
    for suffix, write in ((".pdf", as_pdf), (".png", as_png)):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            write(fig, temporary)
    plt.close(fig)


def as_pdf(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # of what is a picture inside
    FigureCanvasPdf(fig).print_pdf(path, metadata={"CreationDate": None})


def as_png(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # a PDF leaves its own
    FigureCanvasAgg(fig).print_png(path, metadata={"Software": None})
