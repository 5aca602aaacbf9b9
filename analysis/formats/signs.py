"""Signs as pdfLaTeX prints them, with no package but the kernel's: each as what it means, or as a `?`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from itertools import groupby
from typing import Final

SIGNS: Final = {
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
    "`": r"\`{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "[": "{[}",  # after \\ a bracket or an asterisk would be read as its argument
    "]": "{]}",
    "*": "{*}",
    "—": "---",
    "–": "--",
    "‐": "-",
    "’": "'",
    "‘": r"\textquoteleft{}",
    "“": r"\textquotedblleft{}",
    "”": "''",
    "…": r"\ldots{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "°": r"$^{\circ}$",
    "‰": r"$^{0}\!/_{00}$",
    "⁄": "$/$",
}
"""Signs of text."""

MATHS: Final = {
    "−": "-",
    "′": "'",
    "ℓ": r"\ell",
    "ℏ": r"\hbar",
    "µ": r"\mu",
    "ε": r"\varepsilon",
    "ϵ": r"\epsilon",
    "φ": r"\varphi",
    "ϕ": r"\phi",
    "ϑ": r"\vartheta",
    "ϖ": r"\varpi",
    "ϱ": r"\varrho",
    "ς": r"\varsigma",
    "ο": "o",
} | {
    sign: rf"\{name}"
    for signs, names in (
        ("αβγδζηθικλμν", "alpha beta gamma delta zeta eta theta iota kappa lambda mu nu"),
        ("ξπρστυχψω", "xi pi rho sigma tau upsilon chi psi omega"),
        ("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"),
        ("±∓×÷·∘∙•⋅⋆", "pm mp times div cdot circ bullet bullet cdot star"),
        ("≤≥≠≈≡≅∼≃∝≪≫≺≻", "leq geq neq approx equiv cong sim simeq propto ll gg prec succ"),
        ("←→↔↑↓⇐⇒⇔↦", "leftarrow to leftrightarrow uparrow downarrow Leftarrow Rightarrow Leftrightarrow mapsto"),
        ("∈∋∅∪∩⊂⊃⊆⊇∖", "in ni emptyset cup cap subset supset subseteq supseteq setminus"),
        ("∧∨¬∀∃⊥⊤∣∥‖", "wedge vee neg forall exists bot top mid parallel Vert"),
        ("√∞∂∇∑∏∫⊕⊗⊙", "surd infty partial nabla sum prod int oplus otimes odot"),
        ("⟨⟩⌈⌉⌊⌋⋯∠", "langle rangle lceil rceil lfloor rfloor cdots angle"),
    )
    for sign, name in zip(signs, names.split(), strict=True)
}
"""Signs of mathematics, as they stand between dollars; capital Greek letters that look like Latin ones are below."""

ROMAN: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))
PLAIN: Final = ("<compat>", "<wide>", "<narrow>", "<noBreak>", "<square>")
"""Compatibility decompositions into signs that say the same, as of `ﬁ`; not those of `①` or `ℝ`."""
RAISED: Final = {"<super>": r"\textsuperscript", "<sub>": r"\textsubscript"}
ACCENTS: Final = dict(
    zip(
        "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327\u0331",
        (r"\`", r"\'", r"\^", r"\~", r"\=", r"\u", r"\.", r"\"", r"\r", r"\H", r"\v", r"\d", r"\c", r"\b"),
        strict=True,
    )
)
"""Accents that the kernel sets on a Latin letter; of several on one, it sets the first."""
BELOW: Final = "\u0323\u0327\u0331"
"""Those that leave an i and a j their dots."""
SLASHED: Final = "\u0338"
"""The stroke through a relation that does not hold."""
JOINED: Final = ("-", ",", "'")
"""What pdfLaTeX draws as one other sign where it stands twice."""
UNKNOWN: Final = "?"


def escaped(text: str) -> str:
    """Write `text` so that pdfLaTeX prints it; a sign it has no font for becomes a `?`, an accent is left out."""
    shown = []
    for kind, signs in groupby(unicodedata.normalize("NFC", " ".join(text.split())), _kind):
        inside = _joined(_whole(_decomposed(sign)[1] if kind else sign) for sign in signs)
        shown.append(f"{RAISED[kind]}{{{inside}}}" if kind else inside)
    return "".join(shown)


def unprinted(*texts: str) -> str:
    """Return the signs of these texts that `escaped` turns into a `?`, each once."""
    signs = dict.fromkeys(unicodedata.normalize("NFC", " ".join(" ".join(texts).split())))
    return "".join(sign for sign in signs if sign != UNKNOWN and escaped(sign) == UNKNOWN)


def _kind(sign: str) -> str:
    """Return `<super>` or `<sub>` for a sign that is another one raised or lowered, and can be printed so."""
    kind, parts = _decomposed(sign)
    return kind if kind in RAISED and _whole(parts) != UNKNOWN else ""


def _joined(parts: Iterable[str]) -> str:
    """Join signs so that no two of them are drawn as one other, as two hyphens are as a dash."""
    found = ""
    for part in parts:
        found += "{}" if found.endswith(JOINED) and part.startswith(found[-1]) else ""
        found += part
    return found


def _whole(text: str) -> str:
    """Write several signs as one; a `?` where one of them cannot be printed."""
    parts = [_sign(sign) for sign in text]
    return UNKNOWN if UNKNOWN in parts else _joined(parts)


def _sign(sign: str) -> str:
    if known := SIGNS.get(sign) or ROMAN.get(sign):
        return known
    if maths := MATHS.get(sign):
        return f"${maths}$"
    if sign.isascii():
        return sign if sign.isprintable() else UNKNOWN
    kind, parts = _decomposed(sign)
    if kind == "<fraction>":
        above, _, below = parts.partition("⁄")
        return rf"$\frac{{{above}}}{{{below}}}$" if above and below else UNKNOWN
    if kind in PLAIN:
        return UNKNOWN if parts.startswith(" ") else _whole(parts)  # a lone accent is one on a space
    return UNKNOWN if kind or not parts else _canonical(unicodedata.normalize("NFD", sign))


def _canonical(parts: str) -> str:
    """Write a letter with its accent, and a relation with the stroke through it."""
    base, marks = parts[0], parts[1:]
    if marks == SLASHED:
        relation = base if base in "<>=" else MATHS.get(base)
        return rf"$\not{relation}$" if relation else UNKNOWN
    if base.isascii() and base.isalpha() and (accent := ACCENTS.get(marks[:1])):
        letter = rf"\{base}" if base in "ij" and marks[0] not in BELOW else base
        return f"{accent}{{{letter}}}"
    accents = all(unicodedata.category(mark) == "Mn" for mark in marks)
    return _sign(base) if accents and (base.isalpha() or not marks) else UNKNOWN


def _decomposed(sign: str) -> tuple[str, str]:
    """Return what Unicode says a sign is made of, and how; the kind is empty where that is the same sign."""
    kind, found, codes = unicodedata.decomposition(sign).rpartition("> ")
    return f"{kind}>" if found else "", "".join(chr(int(code, 16)) for code in codes.split())
