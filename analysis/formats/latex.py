"""The table for a paper: booktabs, for plain pdfLaTeX."""

from __future__ import annotations

import unicodedata

from analysis.formats.columns import best, columns
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
    found = columns(table)
    kinds = {"number": "r", "figures": "r", "verdict": "p{32mm}"}
    champion = best(table)
    head = " & ".join(escaped(column.heading) for column in found)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escaped(table.question)}}}",
        rf"\begin{{tabular}}{{{''.join(kinds.get(column.kind, 'l') for column in found)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
    ]
    for place, row in enumerate(table.rows):
        cells = [escaped(column.cells[place]) for column in found]
        if row is champion:
            mean = f"{row.mean:.2f}"
            cells[3] = cells[3].replace(mean, rf"\textbf{{{mean}}}", 1)
        lines.append(rf"{' & '.join(cells)} \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\raggedright\footnotesize"]
    lines += [rf"{escaped(note)}\par" for note in [*table.notes, *legend(table)]]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def escaped(text: str) -> str:
    """Write `text` so that pdfLaTeX prints it; a letter it has no font for becomes its bare form or a `?`."""
    return "".join(SIGNS.get(sign) or _letter(sign) for sign in " ".join(text.split()))


def _letter(sign: str) -> str:
    if sign.isascii():
        return sign
    bare = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return "".join(SIGNS.get(part, part) for part in bare) or "?"
