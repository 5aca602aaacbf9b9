"""An account of a study's method as Markdown, as HTML, as LaTeX, and as data."""

import re
from collections.abc import Callable
from typing import Any, Final

from analysis.formats.markdown import escaped as markdown
from analysis.formats.signs import escaped as latex
from analysis.html.templates import render
from analysis.methods.account import Account

REFERENCES: Final = {
    "sharma2025pairing": ("Udit Sharma", "2512.24145", "When Does Pairing Seeds Reduce Variance?"),
    "du2025when": ("Wenzhang Du", "2511.19794", "When +1% Is Not Enough"),
}
"""key -> author, number on arXiv, and how the title begins, of what is cited for the protocol; both of 2025."""
CITED: Final = re.compile(r" \{cite:(\w+)\}")


def cited(account: Account) -> list[str]:
    """Return the keys of what an account cites, in order."""
    texts = (*account.sentences, *(answer for _, answer in account.checklist))
    return list(dict.fromkeys(key for text in texts for key in CITED.findall(text)))


def bibtex(key: str) -> str:
    """Return a reference as an entry of BibTeX."""
    author, number, title = REFERENCES[key]
    safe = title.replace("%", r"\%")
    fields = f"author={{{author}}}, title={{{safe}}}, year={{2025}}, eprint={{{number}}}, archivePrefix={{arXiv}}"
    return f"@misc{{{key}, {fields}}}"


def as_markdown(account: Account) -> str:
    """Return the paragraph, a list of questions and answers, and what is still to be added."""
    lines = ["## Method", "", _written(" ".join(account.sentences), markdown, _arxiv)]
    if account.checklist:
        lines += ["", "## Checklist", ""]
        for question, answer in account.checklist:
            lines.append(f"- **{question}** {_written(answer, markdown, _arxiv)}")
        lines += ["", f"Not in the records, to be added: {'; '.join(account.to_add)}."]
    return "\n".join(lines) + "\n"


def as_html(account: Account) -> str:
    """Return the same as a page of its own."""
    return render("methods/page.html.j2", title=f"Method of study {account.study}", told=as_data(account))


def as_latex(account: Account) -> str:
    r"""Return the same for plain pdfLaTeX, with `\cite`; entries for BibTeX stand as comments before it."""
    lines = [f"% {bibtex(key)}" for key in cited(account)]
    lines.append(_written(" ".join(account.sentences), latex, lambda key: rf"~\cite{{{key}}}"))
    if account.checklist:
        lines += ["", r"\begin{description}"]
        for question, answer in account.checklist:
            told = _written(answer, latex, lambda key: rf"~\cite{{{key}}}")
            lines.append(rf"\item[{latex(question)}] {told}")
        lines += [r"\end{description}", f"% not in the records, to be added: {'; '.join(account.to_add)}"]
    return "\n".join(lines) + "\n"


def as_data(account: Account) -> dict[str, Any]:
    """Return everything as JSON data."""
    return {
        "study": account.study,
        "complete": account.complete,
        "paragraph": _written(" ".join(account.sentences), str, _arxiv),
        "checklist": [
            {"question": question, "answer": _written(answer, str, _arxiv)} for question, answer in account.checklist
        ],
        "to_add": list(account.to_add),
        "references": {key: bibtex(key) for key in cited(account)},
    }


def _arxiv(key: str) -> str:
    return f" (arXiv {REFERENCES[key][1]})"


def _written(text: str, escaped: Callable[[str], str], cite: Callable[[str], str]) -> str:
    """Write a text with its references; what stands between two of them is `escaped`, blanks at its ends stay."""
    parts = CITED.split(text)  # texts and keys in turn
    out = []
    for place, part in enumerate(parts):
        if place % 2:
            out.append(cite(part))
            continue
        bare = part.strip()
        before, after = part.startswith(" "), part.endswith(" ") and bool(bare)
        out.append(" " * before + escaped(bare) + " " * after)
    return "".join(out)
