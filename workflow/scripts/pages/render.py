"""Pages from the templates in workflow/templates, which hold all that is no data.

Whatever is put into a template of HTML is text: characters that mean something in HTML are escaped, so that what a
model wrote can do nothing on a page.
"""

import base64
import functools
import io
from pathlib import Path

import jinja2
from markupsafe import Markup
from PIL import Image

from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.errors import InputError
from workflow.scripts.pages.markdown import inline

TEMPLATES = SCRIPTS.parent / "templates"


def render(template: str, **values: object) -> str:
    """The page that a template of ``workflow/templates`` makes of some values.

    A name that a template uses and nobody gives is an error (jinja2.UndefinedError), not an empty place.
    """
    return environment().get_template(template).render(values)


def render_text(template: str, **values: object) -> str:
    """The text, such as a page of Markdown, that a template makes of some values: nothing is escaped.

    Raises:
        InputError: it uses what nobody gives, or a source of its numbers is not there; the template is named.
    """
    try:
        return environment(escaped=False).get_template(template).render(values)
    except (InputError, jinja2.TemplateError) as error:
        raise InputError(f"{template}: {error}") from error


@functools.cache
def environment(escaped: bool = True) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escaped,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["source"] = source
    made.filters["inline"] = inline
    return made


def source(name: str) -> Markup:
    """A script or style sheet of ``workflow/templates``, to stand in a page as it is: these are ours."""
    return Markup((Path(TEMPLATES) / name).read_text(encoding="utf-8"))


def data_uri(path: Path) -> str:
    """A picture as the address of itself, for a page that is one file: a PNG of 256 colours, a third of the size.

    Small, as Chromium shows no page in a frame of ``snakemake --report`` whose own address is longer than 2 MB.
    In lines, which an address may have, as Snakemake takes no text with lines of more than 10,000 characters.
    """
    small = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return f"data:image/png;base64,\n{base64.encodebytes(small.getvalue()).decode()}"
