"""A whole page as one file: nothing is loaded, from the network or from beside it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Literal

from analysis.formats.html import escape
from analysis.html.style import STYLE

if TYPE_CHECKING:
    from analysis.plots.drawn import Drawn


def document(title: str, main: str, *, before: str = "", after: str = "", style: str = "") -> str:
    """Return the page.

    Args:
        title: what the window and its bookmark are called; plain text.
        main: the content, as HTML, its one h1 included unless `before` has it.
        before: landmarks above it, as HTML: a `<header>`, a `<nav>`.
        after: landmarks below it, as HTML: a `<footer>`.
        style: CSS of this kind of page, after what all share.

    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n'
        f'{before}<main id="main" tabindex="-1">\n{main}\n</main>\n{after}</body>\n</html>\n'
    )


PER_INCH: Final = 110
"""Pixels of the page for an inch of a figure: nine points are then as tall as a caption."""


def scrolling(content: str, label: str) -> str:
    """Wrap a table that may be wider than the page: it scrolls on its own, by keyboard too, under a name of its own."""
    return f'<div class="wide" role="region" aria-label="{escape(label)}" tabindex="0">\n{content}\n</div>'


def picture(figure: Drawn, level: int = 2, form: Literal["png", "svg"] = "png", name: str = "") -> str:
    """Return a figure under a heading of that level, the picture within the page, its caption below.

    Args:
        figure: what was drawn.
        level: of the heading.
        form: a picture of lines and words is sharp at any size as `svg`, one of many pixels is smaller as `png`.
        name: what tells the picture from all others of the page, where the title does not.

    """
    kind = {"png": "image/png", "svg": "image/svg+xml"}[form]
    data = base64.b64encode(figure.as_bytes(form)).decode()
    width, height = (round(PER_INCH * inches) for inches in figure.figure.get_size_inches())
    image = f'<img width="{width}" height="{height}" alt="{escape(figure.alt)}" src="data:{kind};base64,{data}">'
    return (
        f"<section>\n<h{level}>{escape(figure.title)}</h{level}>\n<figure>\n"
        f"{scrolling(image, f'Picture: {name or figure.title}')}\n"
        f"<figcaption>{escape(figure.caption)}</figcaption>\n</figure>\n</section>"
    )
