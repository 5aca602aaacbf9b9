"""Templates made HTML: what they print is text, and escaped."""

import base64
import html
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from studies.terminal.text import visible


def render(template: str, **values: object) -> Markup:
    """Return what a template makes of these values; `template` is its path in `analysis`."""
    return Markup(ENVIRONMENT.get_template(template).render(values))


def escape(value: object) -> Markup:
    """Return what a template prints: text as HTML, also between quotes, control characters in it visible."""
    return value if isinstance(value, Markup) else Markup(html.escape(visible(str(value))))


def plain(text: str) -> str:
    """Return text with each run of blanks and newlines as one blank."""
    return " ".join(text.split())


def breakable(text: str) -> Markup:
    """Return text as HTML; a dotted name may break behind its dot."""
    return Markup(re.sub(r"(?<=[a-z])\.(?=[a-z])", ".<wbr>", escape(text)))


def quoted(text: str) -> Markup:
    """Return text as HTML; what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # of Markup it would be escaped again


def encoded(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


ENVIRONMENT = Environment(
    loader=PackageLoader("analysis", ""),
    autoescape=True,
    finalize=escape,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
ENVIRONMENT.filters |= {"base64": encoded, "breakable": breakable, "plain": plain, "quoted": quoted}
