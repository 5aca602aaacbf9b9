"""The table for a paper: booktabs, for plain pdfLaTeX."""

from __future__ import annotations

import unicodedata

from analysis.formats.blocks import Block, blocks, champions, opens_panel
from analysis.formats.legend import legend
from analysis.table import Table

SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "[": "{[}",  # after \\ a bracket or an asterisk would be read as its argument
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\to$",
    "Δ": r"$\Delta$",
    "—": "---",
    "–": "--",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
}


def as_latex(table: Table) -> str:
    """Return a `table` environment that needs `booktabs` alone; the best of the better rows is bold."""
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escaped(table.question)}}}",
    ]
    for block in blocks(table):
        lines += [rf"\par\smallskip {escaped(block.title)}\par\smallskip"] if block.title else []
        lines += _grid(table, block)
    lines += [r"\par\smallskip\raggedright\footnotesize"]
    lines += [rf"{escaped(note)}\par" for note in [*table.notes, *legend(table)]]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _grid(table: Table, block: Block) -> list[str]:
    kinds = {"number": "r", "figures": "r", "verdict": "p{32mm}"}
    bold = champions(table)
    lines = [
        rf"\begin{{tabular}}{{{''.join(kinds.get(column.kind, 'l') for column in block.columns)}}}",
        r"\toprule",
        rf"{' & '.join(escaped(column.heading) for column in block.columns)} \\",
        r"\midrule",
    ]
    for place, row in enumerate(table.rows):
        lines += [r"\addlinespace"] if opens_panel(table, place) else []
        cells = [escaped(column.cells[place]) for column in block.columns]
        if row in bold and block.figures is not None:
            mean = f"{row.mean:.2f}"
            cells[block.figures] = cells[block.figures].replace(mean, rf"\textbf{{{mean}}}", 1)
        lines.append(rf"{' & '.join(cells)} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def escaped(text: str) -> str:
    """Write `text` so that pdfLaTeX prints it; a letter it has no font for becomes its bare form or a `?`."""
    return "".join(SIGNS.get(sign) or _letter(sign) for sign in " ".join(text.split()))


def _letter(sign: str) -> str:
    if sign.isascii():
        return sign
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return "".join(SIGNS.get(part, part) for part in bare) or "?"
