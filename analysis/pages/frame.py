"""A whole page as one file: nothing is loaded, from the network or from beside it."""

from __future__ import annotations

from analysis.formats.html import escape
from analysis.pages.style import STYLE


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
