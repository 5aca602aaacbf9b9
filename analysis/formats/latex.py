"""The table for a paper: booktabs and siunitx, for plain pdfLaTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.formats.blocks import Block, blocks, bold, opens_panel
from analysis.formats.columns import Column
from analysis.formats.legend import below
from analysis.formats.signs import escaped, unprinted
from analysis.table.build import Table

FIGURES: Final = re.compile(r"(?P<figure>[−+]?\d[\d.]*|—)?(?: ± (?P<spread>[\d.]+))? ?(?P<rest>.*)")
"""A cell of figures: `20.10 ± 0.76 (4)`, `−2.03 [−2.18, −1.87]`, a dash, or nothing."""
NUMBER: Final = re.compile(r"[−+]?\d+(\.\d+)?")
LONG: Final = 16
"""Letters beyond which what stands behind a figure is broken into lines."""
WIDE: Final = 30
"""Letters beyond which a label is broken into lines, each of about as many."""
JOINTS: Final = re.compile(r"(?<=[=_,;:./+|)-])(?=[\w(])")
"""Where a word may be broken that is as long as such a line."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One or more columns of LaTeX under one heading: their preamble, and for each row as many cells."""

    heading: str
    preamble: str
    cells: Sequence[tuple[str, ...]]


def as_latex(table: Table) -> str:
    """Return a `table` environment that needs `booktabs` and `siunitx`; each panel's best row is bold if resolved.

    Figures and their deviations stand in columns of their own, each aligned at its decimal marker. A table in several
    parts is as many environments, so that each fits a page; the notes are in the last.
    """
    lines = [
        r"% needs \usepackage{booktabs,siunitx}",
        r"% wider than your page? table* in two columns, or sidewaystable of \usepackage{rotating}",
    ]
    if signs := unprinted_signs(table):
        lines.append(f"% plain pdfLaTeX has no font for {signs}: a ? stands for each")
    found = blocks(table)
    for block in found:
        lines += [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{escaped(f'{table.question} {block.title}')}}}",
            *_grid(table, block),
        ]
        if block is found[-1]:
            lines += [r"\par\smallskip\raggedright"]
            lines += [rf"{_superscript([mark] if mark else [])}{escaped(text)}\par" for mark, text in below(table)]
        lines += [r"\end{table}"]
    return "\n".join(lines) + "\n"


def unprinted_signs(table: Table) -> str:
    """Return the signs of the question, the rows' names and the notes for which a `?` is printed, each once."""
    signs = unprinted(table.question, *(row.label for row in table.rows), *(text for _, text in below(table)))
    return "".join(sign for sign in signs if sign.isprintable())


def _grid(table: Table, block: Block) -> list[str]:
    best = bold(table, block)
    parts = [_part(column, best if number == block.figures else {}) for number, column in enumerate(block.columns)]
    preamble = "".join(part.preamble for part in parts)
    lines = [rf"\begin{{tabular}}{{@{{}}{preamble}@{{}}}}", r"\toprule", *_headings(parts), r"\midrule"]
    for place in range(len(table.rows)):
        lines += [r"\addlinespace"] if opens_panel(table, place) else []
        lines.append(rf"{' & '.join(cell for part in parts for cell in part.cells[place])} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _headings(parts: Sequence[Part]) -> list[str]:
    """Write the headings in as many lines as the longest has, each on the lowest ones."""
    broken = [part.heading.split("\n") for part in parts]
    height = max(map(len, broken))
    lines = []
    for level in range(height):
        cells = []
        for part, words in zip(parts, broken, strict=True):
            word = escaped(([""] * (height - len(words)) + words)[level])
            wide, numbers = len(part.cells[0]), part.preamble.startswith("S")
            spanned = rf"\multicolumn{{{wide}}}{{c}}{{{word}}}" if numbers else word
            cells.append(spanned if word else " & " * (wide - 1))
        lines.append(rf"{' & '.join(cells)} \\")
    return lines


def _part(column: Column, best: Mapping[int, str]) -> Part:
    """Write a column: labels to the left, verdicts broken, numbers aligned at the marker, figures taken apart."""
    texts = [" ".join(cell.split()) for cell in column.cells]
    if column.kind == "figures":
        return _figures(column, texts, best)
    if column.kind == "number" and all(NUMBER.fullmatch(text) for text in texts if text):
        return Part(heading=column.heading, preamble=_aligned(texts), cells=[(_number(text),) for text in texts])
    if column.kind == "label" and max(map(len, texts), default=0) > WIDE:
        return Part(heading=column.heading, preamble=_broken(45), cells=[(_breakable(text),) for text in texts])
    preamble = {"verdict": _broken(20), "number": "r"}.get(column.kind, "l")
    return Part(heading=column.heading, preamble=preamble, cells=[(escaped(text),) for text in texts])


def _breakable(text: str) -> str:
    """Write a label so that it can be broken, also within a word that would not fit into a line."""
    words = [JOINTS.split(word) if len(word) > WIDE - 5 else [word] for word in text.split()]
    return " ".join(r"\hspace{0pt}".join(map(escaped, parts)) for parts in words)


def _figures(column: Column, texts: Sequence[str], best: Mapping[int, str]) -> Part:
    found = [FIGURES.fullmatch(text) for text in texts]
    figures, spreads, rests = (
        [one[name] or "" if one else "" for one in found] for name in ("figure", "spread", "rest")
    )
    cells = [[("\\bfseries " if place in best else "") + _number(text)] for place, text in enumerate(figures)]
    preamble = _aligned(figures, bold=bool(best))
    if any(spreads):
        preamble += rf"@{{\,}}c@{{\,}}{_aligned(spreads)}"
        for cell, spread in zip(cells, spreads, strict=True):
            cell += [r"$\pm$" if spread else "", _number(spread)]
    if any(rests):
        preamble += rf"@{{\ }}{_broken(15) if max(map(len, rests)) > LONG else 'l'}"
        marks = column.marks or [()] * len(rests)
        for cell, rest, letters in zip(cells, rests, marks, strict=True):
            cell.append(escaped(rest) + _superscript(letters))
    return Part(heading=column.heading, preamble=preamble, cells=[tuple(cell) for cell in cells])


def _aligned(texts: Sequence[str], *, bold: bool = False) -> str:
    """Return a column of siunitx with room for the longest of these numbers on both sides of the marker."""
    numbers = [text for text in texts if NUMBER.fullmatch(text)]
    before = max((len(text.lstrip("−+").partition(".")[0]) for text in numbers), default=1)
    after = max((len(text.partition(".")[2]) for text in numbers), default=0)
    sign = "+" if any(text[0] in "−+" for text in numbers) else ""
    options = ",retain-explicit-plus" * bool(sign) + ",detect-weight" * bold + ",group-digits=false" * (after > 4)
    return rf"S[table-format={sign}{before}{f'.{after}' * bool(after)}{options}]"


def _number(text: str) -> str:
    return text.replace("−", "-") if NUMBER.fullmatch(text) else f"{{{escaped(text)}}}" if text else ""


def _broken(millimetres: int) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{{millimetres}mm}}"


def _superscript(letters: Sequence[str]) -> str:
    return rf"\textsuperscript{{{','.join(letters)}}}" if letters else ""
