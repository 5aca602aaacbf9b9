"""Labels and questions in LaTeX: every sign prints as what it means, or as a question mark."""

import shutil
import subprocess
import sys
import unicodedata
from collections import defaultdict
from functools import cache

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from analysis.formats.signs import SIGNS, escaped, unprinted

NO_PAPER = not shutil.which("pdflatex") or (
    subprocess.run(["kpsewhich", "siunitx.sty"], check=False, capture_output=True).returncode != 0
)
TWINS = ["'’", '"”']
"""Signs that are drawn alike and mean the same."""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("r ≠ 4", r"r $\neq$ 4"),
        ("lr × ½", r"lr $\times$ $\frac12$"),
        ("1¾ ⅒ ⅟", r"1$\frac34$ ? ?"),
        ("10⁻³", r"10\textsuperscript{$-$}\textsuperscript{3}"),
        ("x²", r"x\textsuperscript{2}"),
        ("x₁₂²", r"x\textsubscript{1}\textsubscript{2}\textsuperscript{2}"),
        ("BAM™", r"BAM\textsuperscript{TM}"),
        ("σ ≈ µ, ε≤Θ", r"$\sigma$ $\approx$ $\mu$, $\varepsilon$$\leq$$\Theta$"),
        ("a ⊄ C, 1 ≮ 2", r"a ? C, 1 ? 2"),
        ("e\u0301 é Å ﬁ ß", r"\'{e} \'{e} \r{A} ? \ss{}"),
        (
            "für Señor Łukasz Ţő žč ī ị ḏ ệ ą",
            r"f\"{u}r Se\~{n}or \L{}ukasz \c{T}\H{o} \v{z}\v{c} \={\i} ? ? ? ?",
        ),
        ("漢 ① ℝ x\u0304 ´ \x00", "? ? ? x? ? ?"),
        ("-- --- -– —-", r"-{}- -{}-{}- -{}-- ---{}-"),
        ("?` !‘", r"?\`{} !\textquoteleft{}"),
        ("−1 ± 2 [a]* <b>", r"$-$1 $\pm$ 2 {[}a{]}{*} $<$b$>$"),
        ("\t\n", ""),
        (
            "50% & $x_1$ #2 {a} ~^ \\",
            r"50\% \& \$x\_1\$ \#2 \{a\} \textasciitilde{}\textasciicircum{} \textbackslash{}",
        ),
    ],
)
def test_signs_by_hand(text, wanted):
    assert escaped(text) == wanted


@cache
def every_sign():
    """Return each sign of Unicode that is not blank, with what it is printed as."""
    signs = (chr(code) for code in range(sys.maxunicode + 1))
    kept = (sign for sign in signs if unicodedata.category(sign) not in ("Cn", "Cs", "Co") and not sign.isspace())
    return {sign: escaped(sign) for sign in kept}


def letters(sign):
    """Return the letters that a sign is made of, without their accents; any other sign as it is."""
    parts = unicodedata.normalize("NFKD", sign)
    bare = "".join(part for part in parts if unicodedata.category(part) != "Mn")
    return bare if bare.replace(" ", "").isalpha() else unicodedata.normalize("NFKC", sign)


def test_no_sign_is_printed_as_one_of_another_meaning():
    """Whatever is printed the same is the same letters, or the same sign to Unicode, or drawn alike."""
    alike = defaultdict(set)
    for sign, shown in every_sign().items():
        assert shown, repr(sign)
        assert shown.isascii()
        if set(shown) != {"?"} or sign == "?":
            alike[shown].add(letters(sign))
    twins = [{letters(sign) for sign in group} for group in TWINS]
    assert [found for found in alike.values() if len(found) > 1 and not any(found <= group for group in twins)] == []


def test_signs_that_cannot_be_printed_are_named_once_and_in_order():
    assert unprinted("µ-BAM (r≥2)? ½ 日本 é", "本\tЯ #") == "日本Я"
    assert unprinted("BAM & co.") == ""


def test_what_is_raised_lowered_encircled_or_a_fraction_is_never_printed_as_its_parts():
    for sign, shown in every_sign().items():
        kind = unicodedata.decomposition(sign).partition(" ")[0]
        if kind in ("<super>", "<sub>", "<circle>", "<fraction>", "<font>") and sign not in SIGNS:
            parts = escaped(unicodedata.normalize("NFKD", sign))
            assert shown == "?" or shown != parts, repr(sign)


@given(st.text(), st.characters(exclude_categories=("Mn", "Mc", "Cs")), st.text())
@example("x", "²", "³")
@example("-", "-", "-")
def test_no_sign_disappears(before, sign, after):
    """Unless it is one with a neighbour, as a letter and its accent are, or the parts of a Korean syllable."""
    whole = unicodedata.normalize("NFC", before + sign + after)
    assume(len(whole) == len(unicodedata.normalize("NFC", before + after)) + 1)
    without = escaped(before + after)
    assert escaped(before + sign + after) != without or sign.isspace()
    assert escaped(f"a{sign}b").removeprefix("a").removesuffix("b")


@pytest.mark.skipif(NO_PAPER, reason="pdflatex or its package siunitx is not installed")
def test_every_sign_compiles(tmp_path):
    shown = sorted(set(every_sign().values()))
    assert SIGNS.keys() <= every_sign().keys()
    body = "\n".join(rf"{text} & 1.0 \\" for text in shown[:300])
    rest = "\n\n".join([*shown, escaped("-- x₁² ‘“–—’”… 10⁻³")])
    (tmp_path / "signs.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,siunitx,longtable}\begin{document}"
        rf"\section*{{{escaped('r ≠ 4, lr × ½, 10⁻³')}}}{rest}"
        rf"\begin{{longtable}}{{lS}}{body}\end{{longtable}}\end{{document}}"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "signs.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert "Missing character" not in (tmp_path / "signs.log").read_text(errors="replace")
