"""Parts of a page, as HTML: what is wide scrolls by itself, and a picture carries its words."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from analysis.plots.drawn import Drawn


def scrolling(content: str, label: str) -> str:
    """Wrap a table that may be wider than the page: it scrolls on its own, by keyboard too, under a name of its own."""
    return f'<div class="wide" role="region" aria-label="{escape(label)}" tabindex="0">\n{content}\n</div>'


def picture(figure: Drawn, level: int = 2, form: Literal["png", "svg"] = "png") -> str:
    """Return a figure under a heading of that level, the picture within the page, its caption below.

    A picture of lines and words is sharp at any size as `svg`, one of many pixels is smaller as `png`.
    """
    kind = {"png": "image/png", "svg": "image/svg+xml"}[form]
    data = base64.b64encode(figure.as_bytes(form)).decode()
    return (
        f"<section>\n<h{level}>{escape(figure.title)}</h{level}>\n<figure>\n"
        f'<img alt="{escape(figure.alt)}" src="data:{kind};base64,{data}">\n'
        f"<figcaption>{escape(figure.caption)}</figcaption>\n</figure>\n</section>"
    )
