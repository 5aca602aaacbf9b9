"""The table for a paper: booktabs and siunitx, for plain pdfLaTeX."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from analysis.formats.blocks import blocks, opens_panel
from analysis.formats.columns import JOINTS, Column, Columns, Figure, FigureColumn
from analysis.formats.legend import Line, Notes, below
from analysis.formats.signs import escaped, unprinted
from analysis.table.build import Table

LONG: Final = 16
"""Letters beyond which what stands behind a figure is broken into lines."""
WIDE: Final = 30
"""Letters beyond which a label is broken into lines, each of about as many."""


class Part(NamedTuple):
    """One or more columns of LaTeX under one heading: their preamble, and for each row as many cells."""

    heading: str
    preamble: str
    cells: Sequence[Sequence[str]]


def as_latex(
    table: Table, *, notes: Notes = "short", chosen: Sequence[str] = (), label: str = "", caption: str = ""
) -> str:
    r"""Return a `table` environment, for each of several parts one, that needs `booktabs` and `siunitx`.

    Footnotes are in the float whose cells have their marks, all other notes behind the last. `caption` is LaTeX, and
    the study's question without it; the second float's label ends in `-2`.
    """
    lines = [
        r"% needs \usepackage{booktabs,siunitx}",
        r"% wider than your page? table* in two columns, or sidewaystable of \usepackage{rotating}",
    ]
    if signs := unprinted_signs(table, notes=notes):
        lines.append(f"% plain pdfLaTeX has no font for {signs}: a ? stands for each")
    parts, said = blocks(table, chosen), below(table, notes, chosen)
    for number, (title, columns) in enumerate(parts, 1):
        head = caption or escaped(table.question)
        head += "" if not title else " " if head.endswith(("?", ".", "!")) else ". "
        foot = [line for line in said if line.mark in _marks(columns)]
        lines += [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{head}{escaped(title)}}}",
            *([rf"\label{{{label}{f'-{number}' * (number > 1)}}}"] if label else []),
            *_grid(table, columns),
            *([r"\par\smallskip\raggedright", *map(_noted, foot)] if foot else []),
            r"\end{table}",
        ]
    if outside := [line for line in said if not any(line.mark in _marks(columns) for _, columns in parts)]:
        lines += [
            "% outside the floats, to be moved to where your text speaks of them; --notes none leaves them out",
            r"\begingroup\footnotesize\raggedright\setlength{\parindent}{0pt}",
            *map(_noted, outside),
            r"\endgroup",
        ]
    return "\n".join(lines) + "\n"


def _marks(columns: Columns) -> set[str]:
    figures = [figure for column in columns if isinstance(column, FigureColumn) for figure in column.figures]
    return {mark for figure in figures if figure for mark in figure.marks}


def _noted(line: Line) -> str:
    return rf"{_superscript([line.mark] if line.mark else [])}{escaped(line.text)}\par"


def unprinted_signs(table: Table, *, notes: Notes = "short") -> str:
    """Return the signs of the question, the rows' names and the notes for which a `?` is printed, each once."""
    signs = unprinted(table.question, *(row.label for row in table.rows), *(text for _, text in below(table, notes)))
    return "".join(sign for sign in signs if sign.isprintable())


def _grid(table: Table, columns: Columns) -> list[str]:
    parts = [_figures(column) if isinstance(column, FigureColumn) else _part(column) for column in columns]
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


def _part(column: Column) -> Part:
    """Write a column: labels to the left, long ones and verdicts broken, numbers aligned at the marker."""
    if column.kind == "number" and column.plain:
        return Part(column.heading, _aligned(column.cells), [[cell] for cell in column.cells])
    if column.kind == "label" and max(map(len, column.cells)) > WIDE:
        return Part(column.heading, _broken(45), [[_breakable(cell)] for cell in column.cells])
    preamble = {"verdict": _broken(20), "number": "r"}.get(column.kind, "l")
    return Part(column.heading, preamble, [[escaped(cell)] for cell in column.cells])


def _breakable(label: str) -> str:
    """Write a label so that it can be broken, also within a word that would not fit into a line."""
    words = [JOINTS.split(word) if len(word) > WIDE - 5 else [word] for word in label.split()]
    return " ".join(r"\hspace{0pt}".join(map(escaped, parts)) for parts in words)


def _figures(column: FigureColumn) -> Part:
    """Write figures in up to three columns: the mean, its deviation, and the rest with the letters of footnotes."""
    figures = column.figures
    cells = [[_mean(figure)] for figure in figures]
    means = [figure.head for figure in figures if figure and figure.head != "—"]
    preamble = _aligned(means, bold=any(figure and figure.best for figure in figures))
    spreads = [figure.spread if figure else "" for figure in figures]
    if any(spreads):
        preamble += rf"@{{\,}}c@{{\,}}{_aligned(spreads)}"
        for cell, spread in zip(cells, spreads, strict=True):
            cell += [r"$\pm$" if spread else "", spread]
    rests = [" ".join(figure.rest.split()) if figure else "" for figure in figures]
    if any(rests):
        preamble += rf"@{{\ }}{_broken(15) if max(map(len, rests)) > LONG else 'l'}"
        for cell, rest, figure in zip(cells, rests, figures, strict=True):
            cell.append(escaped(rest) + _superscript(figure.marks if figure else ()))
    return Part(column.heading, preamble, cells)


def _mean(figure: Figure | None) -> str:
    """Write the mean as siunitx reads it; what is no number stands in braces."""
    if figure is None:
        return ""
    head = "{---}" if figure.head == "—" else figure.head.replace("−", "-")
    return rf"\bfseries {head}" if figure.best else head


def _aligned(numbers: Sequence[str], *, bold: bool = False) -> str:
    """Return a column of siunitx with room for the longest of these numbers on both sides of the marker."""
    parts = [number.lstrip("−+").partition(".") for number in numbers if number]
    before = max((len(whole) for whole, _, _ in parts), default=1)
    after = max((len(decimals) for _, _, decimals in parts), default=0)
    sign = "+" if any(number[:1] in ("−", "+") for number in numbers) else ""
    options = ",retain-explicit-plus" * bool(sign) + ",detect-weight" * bold + ",group-digits=false" * (after > 4)
    return rf"S[table-format={sign}{before}{f'.{after}' * bool(after)}{options}]"


def _broken(millimetres: int) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{{millimetres}mm}}"


def _superscript(letters: Sequence[str]) -> str:
    return rf"\textsuperscript{{{','.join(letters)}}}" if letters else ""
