"""What holds for every plot: its files, its size, its words, and that nothing is clipped or covered."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from PIL import Image

from analysis.plots.factorial import interaction, marginal
from analysis.plots.kinds import KINDS, draw
from analysis.plots.plot import NoPlot
from analysis.plots.style import COLUMN, DARK, PAGE, SMALL
from analysis.statistics.factorial import Factorial, Interaction, Level
from lightning_bam.config import BAMSpec, Run
from studies.definition.study import Study
from studies.errors import StudyError
from tests.analysis.plots import sample_studies
from tests.analysis.plots.artists import clipped, overlapping, points, texts


def crossed(factors):
    """Return a factorial study with made-up means."""
    levels = [
        Level(factor=name, level=level, n=15, mean=20 + at / 4, low=19.5 + at / 4, high=20.75 + at / 4)
        for name, found in factors.items()
        for at, level in enumerate(found)
    ]
    pairs = [
        Interaction(
            factors=(a, b),
            means={(x, y): 20 + i / 2 - j / 4 for i, x in enumerate(factors[a]) for j, y in enumerate(factors[b])},
            counts=dict.fromkeys(itertools.product(factors[a], factors[b]), 5),
        )
        for a, b in itertools.combinations(factors, 2)
    ]
    return Factorial(factors=factors, levels=levels, interactions=pairs, anova=[], importance={}, gaps=[])


TWO = {"attention.combine": ("sum", "product", "max"), "attention.norm": ("ends", "hidden")}
FOUR = TWO | {"attention.init": ("torch", "kaiming", "zero"), "attention.reduction": ("4", "8", "16", "32")}


def drawn(kind, asked, factorial):
    """Draw a kind; those of a factorial study from this one, since neither of the two is one."""
    made = {"marginal": marginal, "interaction": interaction}
    return made[kind](factorial, asked[0].scale) if kind in made else draw(kind, *asked)


@pytest.fixture(scope="module", params=["small", "big"])
def figures(request):
    """Draw every kind of one of the two studies."""
    asked = request.getfixturevalue(request.param)
    factorial = crossed(TWO if request.param == "small" else FOUR)
    return {kind: drawn(kind, asked, factorial) for kind in KINDS}


@pytest.fixture(params=KINDS)
def figure(request, figures):
    """Return one of them."""
    return figures[request.param]


def test_png(figure):
    image = Image.open(io.BytesIO(figure.as_bytes("png")))
    inches = figure.figure.get_size_inches()
    assert image.format == "PNG"
    assert image.size == pytest.approx([200 * side for side in inches], abs=1)
    assert np.asarray(image.convert("L")).std() > 5


def test_svg_is_whole_by_itself_and_keeps_its_text(figure):
    data = figure.as_bytes("svg").decode()
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<!DOCTYPE" not in data
    assert "<script" not in data
    loaded = re.findall(r"""(?:href=|src=|url\()["']?([^"')]+)""", data)
    assert loaded
    assert all(place.startswith("#") for place in loaded)
    assert {place[1:] for place in loaded} <= set(re.findall(r' id="([^"]+)"', data)), "and what is named is there"
    assert root.findtext("{http://www.w3.org/2000/svg}title") == figure.title
    written = "".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert all(text.get_text().split("\n")[0] in written for text in texts(figure.figure))
    assert not re.search(r"\b20\d\d-\d\d-\d\d", data), "no date"


def test_on_a_page_every_colour_has_one_for_the_dark_and_a_file_knows_no_variable(figure):
    page = figure.for_page().decode()
    style = page[page.index("<style") : page.index("</style>")]
    assert re.findall("#[0-9a-f]{6}", page.replace(style, "")) == []
    named = set(re.findall(r"var\(--([0-9a-f]{6})\)", page))
    assert {"ffffff", "1a1a1a"} <= named <= {colour[1:] for colour in DARK}
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    for name in named:
        assert f"--{name}: #{name};" in light
        assert f"--{name}: {DARK[f'#{name}']};" in dark
    assert ElementTree.fromstring(page).tag.endswith("svg")
    assert "var(" not in figure.as_bytes("svg").decode()


def test_pdf(figure):
    data = figure.as_bytes("pdf")
    assert data.startswith(b"%PDF-1.")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in data
    assert b"/Subtype /Type3" not in data


def test_it_fits_a_paper_and_can_be_read_there(figure):
    assert float(figure.figure.get_figwidth()) in (COLUMN, PAGE)
    assert figure.figure.get_figheight() < 9
    assert min(text.get_fontsize() for text in texts(figure.figure)) >= SMALL


def test_no_text_is_clipped_and_none_covers_another(figure):
    assert clipped(figure.figure) == []
    assert overlapping(figure.figure) == []


def test_it_says_what_it_shows(figure):
    assert len(figure.alt) > 100
    assert re.search(r"\d\d\.\d|[−+]\d\.\d\d|\d{2}", figure.alt)
    assert re.search(r"\bn\b", figure.caption)
    assert figure.caption.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_anew_it_is_the_same_file(kind, small):
    """Whatever a `matplotlibrc` of the user's says."""
    factorial = crossed(TWO)
    one = drawn(kind, small, factorial)
    plain = {form: one.as_bytes(form) for form in ("svg", "pdf", "png")}
    user = {"text.usetex": True, "axes.grid": True, "savefig.bbox": "tight", "axes.facecolor": "red", "font.size": 20}
    with rc_context(user):
        two = drawn(kind, small, factorial)
        for form, expected in plain.items():
            assert one.as_bytes(form) == two.as_bytes(form) == expected


@pytest.mark.parametrize("kind", ["effects", "pareto", "curves", "seeds", "published"])
def test_labels_as_long_as_they_may_be_leave_room_for_the_figure(kind, small):
    study, records, _ = small
    names = {"none": "b" * 120, "BAM sum": "a sum of branches " * 6 + "by hand", "BAM max": "m" * 119 + "x"}
    rows = {names.get(row, row): run for row, run in study.rows.items()}
    published = {names.get(row, row): figure for row, figure in study.published.items()}
    renamed = replace(study, rows=rows, baseline="b" * 120, published=published)
    figure = draw(kind, *sample_studies.read(records[0].folder.path.parent, renamed)).figure
    assert clipped(figure) == []
    assert overlapping(figure) == []
    assert all(axes.get_position().width > 0.2 for axes in figure.axes)
    assert "mx" in "".join(text.get_text() for text in texts(figure)) or kind == "seeds"


def test_every_file_is_named_after_its_kind(figures):
    assert [figure.name for figure in figures.values()] == list(KINDS)


def test_an_unknown_kind_gets_the_nearest_name(small):
    with pytest.raises(StudyError, match=r"^plot 'effect': no such kind; did you mean 'effects'\?$"):
        draw("effect", *small)


def test_a_study_without_runs_says_of_each_kind_why_there_is_nothing(tmp_path):
    asked = sample_studies.read(tmp_path, sample_studies.SMALL)
    assert {kind: draw(kind, *asked) for kind in KINDS} == {
        "effects": NoPlot("no row has a finished run at a seed at which its baseline has one"),
        "marginal": NoPlot("no two factors are crossed by the finished rows"),
        "interaction": NoPlot("no two factors are crossed by the finished rows"),
        "pareto": NoPlot("no row has a finished run yet"),
        "curves": NoPlot("no run is complete yet"),
        "published": NoPlot("no row with a published figure has a finished run yet"),
        "seeds": NoPlot("no row has a finished run at a seed at which its baseline has one"),
    }


def test_a_factorial_study_is_taken_apart(tmp_path):
    runs = {f"{c}, {n}": Run(attention=BAMSpec(combine=c, norm=n)) for c in ("sum", "max") for n in ("ends", "hidden")}
    study = Study(
        name="crossed",
        question="Do they go together?",
        rows={"none": Run()} | runs,
        baseline="none",
        scientific=("attention", "attention.combine", "attention.norm"),
        seeds=2,
    )
    for place, (row, run) in enumerate(study.runs()):
        error = 20 + ("max" in row) + 2 * ("hidden" in row) + place % 3 / 8
        sample_studies.complete(tmp_path, run, error, params=78_000, macs=12_000_000)
    asked = sample_studies.read(tmp_path, study)
    found = {row.label: row.mean for row in asked[2].rows}
    first, second = draw("marginal", *asked).figure.axes
    assert points(first, "_mean max")[0][1] == pytest.approx((found["max, ends"] + found["max, hidden"]) / 2)
    assert points(second, "_mean ends")[0][1] == pytest.approx((found["sum, ends"] + found["max, ends"]) / 2)
    (axes,) = draw("interaction", *asked).figure.axes
    assert points(axes, "hidden") == [(0.04, found["sum, hidden"]), (1.04, found["max, hidden"])]


def test_nothing_published_is_said(tmp_path):
    asked = sample_studies.read(tmp_path, replace(sample_studies.SMALL, published={}))
    assert draw("published", *asked) == NoPlot("the paper prints no figure for any of its rows, at this scale")
