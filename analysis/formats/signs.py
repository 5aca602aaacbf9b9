"""Signs as pdfLaTeX prints them, with no package but the kernel's: each as what it means, or as a `?`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MATHS: Final = {"−": "-", "′": "'", "<": "<", ">": ">", "|": "|", "°": r"^{\circ}"} | {
    sign: rf"\{name}"
    for signs, names in (
        ("αβγδζηθικλμν", "alpha beta gamma delta zeta eta theta iota kappa lambda mu nu"),
        ("ξπρστυχψωµ", "xi pi rho sigma tau upsilon chi psi omega mu"),
        ("εϵφϕϑς", "varepsilon epsilon varphi phi vartheta varsigma"),
        ("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"),
        ("±∓×÷·∘•", "pm mp times div cdot circ bullet"),
        ("≤≥≠≈≡∼∝≪≫", "leq geq neq approx equiv sim propto ll gg"),
        ("←→↔↑↓⇐⇒⇔", "leftarrow to leftrightarrow uparrow downarrow Leftarrow Rightarrow Leftrightarrow"),
        ("∈∉∅∪∩⊂⊆⊕∞", "in notin emptyset cup cap subset subseteq oplus infty"),
        ("∂∇∑∏ℓ½¼¾", "partial nabla sum prod ell frac12 frac14 frac34"),
    )
    for sign, name in zip(signs, names.split(), strict=True)
}
"""Signs of mathematics, as they stand between dollars."""

SIGNS: Final = (
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {sign: f"{{{sign}}}" for sign in "[]*"}  # after \\ a bracket or an asterisk would be read as its argument
    | {"—": "---", "–": "--", "‐": "-", "‑": "-", "’": "'", "”": "''", '"': "''"}
    | {sign: f"${maths}$" for sign, maths in MATHS.items()}
    | {
        sign: rf"\{name}{{}}"
        for signs, names in (
            ("\\~^`‘“…", "textbackslash textasciitilde textasciicircum ` textquoteleft textquotedblleft ldots"),
            ("ßæÆœŒøØłŁı", "ss ae AE oe OE o O l L i"),
            ("§¶†‡©£", "S P dag ddag copyright pounds"),
        )
        for sign, name in zip(signs, names.split(), strict=True)
    }
)
"""All signs that are not printed as they are, but for letters with an accent and raised or lowered signs."""

ACCENTS: Final = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c", "`'^~=u.\"rHv", strict=True)
)
BELOW: Final = {"\u0323": "d", "\u0327": "c", "\u0331": "b"}
"""Accents that the kernel sets above and below a Latin letter; of several on one, it sets the first."""
DOTLESS: Final = {"i": r"\i", "j": r"\j"}
RAISED: Final = {"<super>": r"\textsuperscript", "<sub>": r"\textsubscript"}
JOINED: Final = re.compile(r"""(?<=[-‐‑–—])(?=[-‐‑–—])|(?<=,)(?=,)|(?<=['’"”])(?=['’"”])""")
"""Between two signs that pdfLaTeX would draw as one other, as two hyphens as a dash."""
UNKNOWN: Final = "?"


def escaped(text: str) -> str:
    """Write `text` so that pdfLaTeX prints it; a sign it has no font for becomes a `?`, an accent is left out."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "{}".join("".join(map(_sign, part)) for part in JOINED.split(text))


def unprinted(*texts: str) -> str:
    """Return the signs of these texts that `escaped` turns into a `?`, each once."""
    signs = dict.fromkeys(unicodedata.normalize("NFC", " ".join(" ".join(texts).split())))
    return "".join(sign for sign in signs if sign != UNKNOWN and escaped(sign) == UNKNOWN)


def _sign(sign: str) -> str:
    if sign in SIGNS:
        return SIGNS[sign]
    if sign.isascii():
        return sign if sign.isprintable() else UNKNOWN
    kind, inside = unicodedata.decomposition(sign).split(" ")[0], unicodedata.normalize("NFKD", sign)
    if kind in RAISED:
        shown = "".join(map(_sign, inside))
        return UNKNOWN if UNKNOWN in shown else f"{RAISED[kind]}{{{shown}}}"
    parts = unicodedata.normalize("NFD", sign)
    letter, marks = parts[0], parts[1:]
    if not marks or not letter.isalpha():
        return UNKNOWN
    if letter.isascii() and marks[0] in BELOW:
        return rf"\{BELOW[marks[0]]}{{{letter}}}"
    if letter.isascii() and marks[0] in ACCENTS:
        return rf"\{ACCENTS[marks[0]]}{{{DOTLESS.get(letter, letter)}}}"
    return _sign(letter)
