"""The page in a real browser: alone, readable by anyone, on a phone, on paper, and without scripts."""

from __future__ import annotations

import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.report.browser import chromium, focused, needs_axe, opened, violations
from tests.analysis.report.made import asked, fill, panelled, written
from tests.analysis.synthetic import STUDY, golden_table

SMALL, LARGE, BOTH = "small", "large", "both"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write three pages: an incomplete study of 6 rows, one of 21 rows in 3 panels, and both together."""
    home = tmp_path_factory.mktemp("report")
    golden_table(home / "runs")
    large = panelled()
    figures = {row: [20 + n * 0.1, 21 + n * 0.12, 22.5 - n * 0.07] for n, row in enumerate(large.rows)}
    fill(home / "runs", large, figures)

    return {
        SMALL: written(home / "small.html", home / "runs", STUDY),
        LARGE: written(home / "large.html", home / "runs", large),
        BOTH: written(home / "both.html", home / "runs", STUDY, large),
    }


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.mark.parametrize("name", [SMALL, BOTH])
def test_nothing_is_loaded_and_nothing_complained_of(browser, pages, name):
    with opened(browser, pages[name]) as seen:
        seen.page.mouse.wheel(0, 20_000)
        assert [url for url in seen.requests if not url.startswith("data:")] == [pages[name]]
        assert seen.complaints == []
        broken = "Array.from(document.images).filter(image => !image.complete || !image.naturalWidth).length"
        assert seen.page.evaluate(broken) == 0
        assert seen.page.evaluate("document.images.length") >= 4


@needs_axe
@pytest.mark.parametrize("name", [SMALL, LARGE])
@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_no_barrier_is_serious(browser, pages, name, scheme, media):
    with opened(browser, pages[name], color_scheme=scheme) as seen:
        seen.page.emulate_media(media=media, color_scheme=scheme)
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert violations(seen.page) == []


@needs_axe
def test_the_check_finds_a_barrier_where_there_is_one(browser, pages):
    with opened(browser, pages[SMALL]) as seen:
        seen.page.evaluate("document.querySelector('.notes').style.color = '#aaa'")
        seen.page.evaluate("document.querySelector('img').removeAttribute('alt')")
        assert {found.split(":")[0] for found in violations(seen.page)} == {"color-contrast", "image-alt"}


@pytest.mark.parametrize("name", [SMALL, BOTH])
@pytest.mark.parametrize("width", [320, 360])
def test_a_phone_scrolls_tables_and_not_the_page(browser, pages, name, width):
    with opened(browser, pages[name], viewport={"width": width, "height": 740}) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        scrolled = "Array.from(document.querySelectorAll('.wide')).filter(one => one.scrollWidth > one.clientWidth)"
        assert seen.page.evaluate(f"{scrolled}.length") > 3
        assert seen.page.evaluate(f"{scrolled}.every(one => one.tabIndex === 0 && one.ariaLabel)")


@pytest.mark.parametrize("name", [SMALL, LARGE])
@pytest.mark.parametrize("width", [320, 380, 700])
def test_the_verdict_stays_on_the_screen_of_a_phone_and_in_a_panel_of_w_and_b(browser, pages, name, width):
    with opened(browser, pages[name], viewport={"width": width, "height": 740}) as seen:
        table = seen.page.locator(".part-table .wide").first
        for turned in (0, 90, 5000):
            table.evaluate("(one, by) => one.scrollLeft = by", turned)
            cells = table.locator("td.verdict, th.verdict").all()
            assert len(cells) == table.locator("tr").count()
            for cell in cells:
                box = cell.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width
            name_of, verdict = (table.locator(cell).first.bounding_box() for cell in ("tbody th", "td.verdict"))
            assert name_of["x"] + name_of["width"] <= verdict["x"], "neither covers the other"


def test_a_phone_shows_each_difference_beside_its_verdict(browser, tmp_path):
    fill(tmp_path, asked(3), {f"r{n}": [20 + n, 21, 22] for n in range(1, 4)} | {"none": [22.5, 20.5, 21.75]})
    page = written(tmp_path / "page.html", tmp_path, asked(3))
    with opened(browser, page, viewport={"width": 380, "height": 740}) as seen:
        rows = seen.page.locator(".part-table tbody tr").all()[1:]
        assert rows
        for row in rows:
            difference, verdict = (row.locator(cell).last.bounding_box() for cell in ("td.figures a", "td.verdict"))
            assert difference["x"] + difference["width"] <= verdict["x"] + 1


@pytest.mark.parametrize(
    ("scheme", "media", "ground", "ink"),
    [
        ("light", "screen", (255, 255, 255), (0, 0, 0)),
        ("dark", "screen", (22, 24, 27), (255, 255, 255)),
        ("dark", "print", (255, 255, 255), (0, 0, 0)),
    ],
)
def test_plots_have_the_ground_of_the_page_and_ink_that_is_read_on_it(browser, pages, scheme, media, ground, ink):
    with opened(browser, pages[SMALL], color_scheme=scheme) as seen:
        seen.page.emulate_media(media=media, color_scheme=scheme)
        images = seen.page.locator("figure img").all()
        assert len(images) == 4
        for image in images:
            picture = Image.open(io.BytesIO(image.screenshot())).convert("RGB")
            counts = Counter({colour: count for count, colour in picture.getcolors(1 << 24)})
            assert counts.most_common(1)[0][0] == ground == picture.getpixel((1, 1))
            near = [
                count
                for colour, count in counts.items()
                if max(abs(a - b) for a, b in zip(colour, ink, strict=True)) < 60
            ]
            assert sum(near) > 200


def test_the_keyboard_reaches_the_runs_and_opens_them(browser, pages):
    with opened(browser, pages[SMALL]) as seen:
        keyboard = seen.page.keyboard
        keyboard.press("Tab")
        assert focused(seen.page) == "a Skip to the content"
        assert seen.page.get_by_text("Skip to the content").bounding_box()["x"] >= 0
        keyboard.press("Enter")
        steps = []
        while not steps or not steps[-1].startswith("summary BAM product"):
            keyboard.press("Tab")
            steps.append(focused(seen.page))
            assert len(steps) < 60, steps
        assert "a BAM product" in steps, "the table's rows come first"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert seen.page.evaluate(outline) == "solid"
        runs = seen.page.locator("#study-1-row-2")
        assert not runs.is_visible()
        keyboard.press("Enter")
        assert runs.is_visible()
        assert "21.30" in runs.inner_text()


@pytest.mark.parametrize("script", [True, False])
def test_a_row_of_the_table_leads_to_its_runs_with_scripts_and_without(browser, pages, script):
    with opened(browser, pages[SMALL], script=script) as seen:
        runs = seen.page.locator("#study-1-row-3")
        assert not runs.is_visible()
        seen.page.get_by_role("link", name="BAM max", exact=True).click()
        runs.wait_for(state="visible")
        assert "failed" in runs.inner_text()
        assert "to the table" in runs.inner_text()
    with opened(browser, pages[SMALL], script=script) as seen:
        seen.page.get_by_role("link", name="21.75 ± 0.75").click()
        seen.page.locator("#study-1-row-3").wait_for(state="visible")


def test_paper_shows_every_run_and_no_dark_ground(browser, pages, tmp_path):
    with opened(browser, pages[SMALL], color_scheme="dark") as seen:
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        inner = "getComputedStyle(document.querySelector('details'), '::details-content').contentVisibility"
        assert seen.page.evaluate(inner) == "visible"
        # an A4 page less its margins is 182 mm wide: at 96 pixels an inch, 688 pixels
        seen.page.set_viewport_size({"width": 688, "height": 900})
        wide = "Array.from(document.querySelectorAll('.part-table table, .part-power table, .part-runs table'))"
        assert seen.page.evaluate(f"Math.max(...{wide}.map(one => one.getBoundingClientRect().right))") <= 689


class Outline(HTMLParser):
    """Headings, ids, links within the page, and what is loaded."""

    def __init__(self):
        super().__init__()
        self.levels, self.ids, self.goals, self.loaded, self.tags, self.labels = [], [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.labels += [attrs["aria-label"]] if attrs.get("role") == "region" else []
        self.goals += [attrs["href"]] if "href" in attrs else []
        self.loaded += [attrs[name] for name in ("src", "srcset", "data", "poster") if name in attrs]
        assert tag != "img" or len(attrs["alt"]) > 40
        assert tag != "th" or attrs["scope"] in ("col", "row")


@pytest.mark.parametrize("name", [SMALL, LARGE, BOTH])
def test_the_outline_has_no_gaps_and_every_link_a_goal(pages, name):
    text = Path(pages[name].removeprefix("file://")).read_text()
    found = Outline()
    found.feed(text)
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.levels, found.levels[1:], strict=False))
    assert len(set(found.ids)) == len(found.ids)
    assert all(goal.startswith("#") and goal[1:] in found.ids for goal in found.goals)
    assert all(source.startswith("data:image/") for source in found.loaded)
    assert len(set(found.labels)) == len(found.labels)
    assert {"script", "link", "iframe", "style"} & set(found.tags) == {"style"}
    assert "url(" not in text
    assert found.tags.count("details") >= (21 if name == LARGE else 6)
    for landmark in ("header", "nav", "main", "footer"):
        assert found.tags.count(landmark) == 1
    assert len(text) < 2_000_000


def test_text_of_a_study_is_never_markup(pages):
    text = Path(pages[SMALL].removeprefix("file://")).read_text()
    assert "<light>" not in text
    assert "SE_r8 &lt;light&gt;" in text
    assert "Does BAM help, &amp; which way" in text
