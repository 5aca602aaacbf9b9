"""The whole page: one study or several, with the way to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analysis.formats.html import escape, plain
from analysis.html import document
from analysis.report.chapter import Chapter
from analysis.report.style import STYLE


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a page was made: by which command, with which version, from which runs folder, and when (UTC)."""

    command: str
    version: str
    root: str
    when: datetime


def page(chapters: Sequence[Chapter], made: Made) -> str:
    """Return the page of these studies; nothing in it is loaded from anywhere."""
    labels = [chapter.study.label for chapter in chapters]
    title = f"Ablation report: {labels[0]}" if len(labels) == 1 else f"Ablation report of {len(labels)} studies"
    before = f"<header>\n<h1>{escape(title)}</h1>\n</header>\n{contents(chapters)}\n"
    main = "\n".join(chapter.html() for chapter in chapters)
    return document(title, main, before=before, after=f"{foot(made)}\n", style=STYLE)


def contents(chapters: Sequence[Chapter]) -> str:
    """Return the table of contents: the sections, and of several studies their questions above them."""
    if len(chapters) == 1:
        return f'<nav aria-label="Contents">\n{_sections(chapters[0])}\n</nav>'
    lines = [
        f'<li><a href="#{chapter.anchor}">{plain(chapter.study.question)}</a> '
        f'<span class="fixed">({plain(chapter.study.label)})</span>\n{_sections(chapter)}</li>'
        for chapter in chapters
    ]
    return "\n".join(['<nav aria-label="Contents">\n<ol>', *lines, "</ol>\n</nav>"])


def _sections(chapter: Chapter) -> str:
    links = [f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in chapter.sections]
    return "\n".join(["<ul>", *links, "</ul>"])


def foot(made: Made) -> str:
    """Say how to make the page again."""
    return (
        f"<footer>\n<p>Made on {made.when:%Y-%m-%d at %H:%M} UTC by <code>{escape(made.command)}</code> "
        f"(lightning-bam {escape(made.version)}) from the runs under <code>{escape(made.root)}</code>.</p>\n</footer>"
    )
