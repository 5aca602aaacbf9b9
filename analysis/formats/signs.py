"""Signs as pdfLaTeX prints them, with no package but the kernel's: each as what it means, or as a `?`."""

import re
import unicodedata
from typing import Final

MATHS: Final = {"−": "-", "<": "<", ">": ">", "|": "|", "°": r"^{\circ}"} | {
    sign: rf"\{name}"
    for signs, names in (
        ("αβγδεζηθικλμν", "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu"),
        ("ξπρστυφχψωµ", "xi pi rho sigma tau upsilon varphi chi psi omega mu"),
        ("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"),
        ("±×·≤≥≠≈→∞½¼¾", "pm times cdot leq geq neq approx to infty frac12 frac14 frac34"),
    )
    for sign, name in zip(signs, names.split(), strict=True)
}
"""Greek letters and the signs of labels, questions and notes, as they stand between dollars."""
SIGNS: Final = (
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {sign: f"{{{sign}}}" for sign in "[]*"}  # after \\ a bracket or an asterisk would be read as its argument
    | {"—": "---", "–": "--", "’": "'", "”": "''", '"': "''"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\`{}"}
    | {"‘": r"\textquoteleft{}", "“": r"\textquotedblleft{}", "…": r"\ldots{}", "ß": r"\ss{}"}
    | {"æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}"}
    | {sign: f"${maths}$" for sign, maths in MATHS.items()}
)
"""All signs that are not printed as they are, but for letters with an accent and raised or lowered signs."""
ACCENTS: Final = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)
DOTLESS: Final = {"i": r"\i", "j": r"\j"}
RAISED: Final = {"<super>": r"\textsuperscript", "<sub>": r"\textsubscript"}
DASHES: Final = re.compile("(?<=[-–—])(?=[-–—])")
"""Between two signs that pdfLaTeX would draw as one longer dash."""
UNKNOWN: Final = "?"


def escaped(text: str) -> str:
    """Write `text` so that pdfLaTeX prints it; a sign that it has no font for becomes a `?`."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "{}".join("".join(map(_sign, part)) for part in DASHES.split(text))


def unprinted(*texts: str) -> str:
    """Return the signs of these texts that `escaped` turns into a `?`, each once."""
    signs = dict.fromkeys(unicodedata.normalize("NFC", " ".join(" ".join(texts).split())))
    return "".join(sign for sign in signs if sign != UNKNOWN and escaped(sign) == UNKNOWN)


def _sign(sign: str) -> str:
    if sign in SIGNS:
        return SIGNS[sign]
    if sign.isascii():
        return sign if sign.isprintable() else UNKNOWN
    kind = unicodedata.decomposition(sign).partition(" ")[0]
    if kind in RAISED:
        shown = "".join(map(_sign, unicodedata.normalize("NFKD", sign)))
        return UNKNOWN if UNKNOWN in shown else f"{RAISED[kind]}{{{shown}}}"
    letter, *accents = list(unicodedata.normalize("NFD", sign))
    if not letter.isascii() or not letter.isalpha() or len(accents) != 1 or accents[0] not in ACCENTS:
        return UNKNOWN
    return rf"\{ACCENTS[accents[0]]}{{{DOTLESS.get(letter, letter)}}}"
