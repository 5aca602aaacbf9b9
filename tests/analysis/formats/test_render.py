"""Every format against a golden file; `BAM_UPDATE_GOLDEN=1 pytest tests/analysis` writes them anew."""

import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.formats.columns import FigureColumn, columns
from analysis.formats.latex import as_latex
from analysis.formats.legend import fixed_facts
from analysis.formats.markdown import escaped as markdown
from analysis.formats.render import FORMATS, render
from analysis.statistics.paired import paired
from analysis.table.build import tabulate
from lightning_bam.config import BAMSpec, Run
from studies.records.records import gather
from tests.analysis.synthetic import ERRORS, STUDY, finish, golden_table, write
from tests.analysis.table.test_published import ERRORS as OF_PANELS
from tests.analysis.table.test_published import STUDY as PANELS

GOLDEN = Path(__file__).parents[1] / "table" / "golden"


@pytest.fixture
def table(tmp_path):
    return golden_table(tmp_path)


def panels(root, **manifest):
    """Return a table of two panels; what is given is in the manifest of its first run alone."""
    for number, (row, run) in enumerate(PANELS.runs()):
        if OF_PANELS[row][run.seed] is not None:
            finish(
                root, run, OF_PANELS[row][run.seed], loss=len(row) + run.seed / 8, **(manifest if number == 0 else {})
            )
    return tabulate(gather(PANELS, root), PANELS)


@pytest.mark.parametrize("form", FORMATS)
def test_golden(table, form):
    golden = GOLDEN / f"table.{'txt' if form == 'text' else form}"
    found = render(table, form)
    if os.environ.get("BAM_UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_knobs_of_two_modules_say_whose_they_are():
    shared = {"attention.reduction": "2", "attention.spatial_norm": "True", "attention.dilation": "4", "seed": "0"}
    assert fixed_facts(shared) == "attention (reduction 2, cbam: spatial_norm True, bam: dilation 4); seed 0"
    one = {name: value for name, value in shared.items() if name != "attention.spatial_norm"}
    assert fixed_facts(one) == "attention (reduction 2, dilation 4); seed 0"
    assert fixed_facts({"attention": "bam", **one}) == "attention bam (reduction 2, dilation 4); seed 0"


def test_an_unknown_format_is_refused(table):
    with pytest.raises(ValueError, match="format 'xlsx': choose from text, md, csv, json, tex, html"):
        render(table, "xlsx")


@pytest.mark.parametrize("width", [20, 60, 80, 100, 140, 250])
def test_text_keeps_every_figure_whole_at_any_width(table, width):
    text = render(table, "text", width=width)
    assert "…" not in text
    assert "\x1b" not in text
    for column in columns(table):
        for cell in (column.printed() if isinstance(column, FigureColumn) else column).cells:
            marks = r"\n| (?=[\[(])" if column.kind in ("number", "figures") else r"[\n ]"
            assert all(part in text for part in re.split(marks, cell.strip()))
    if width >= 100:
        assert max(map(len, text.splitlines())) <= width


def test_a_wide_page_has_one_line_a_row(table):
    lines = render(table, "text", width=250).splitlines()
    row = next(line for line in lines if line.startswith("BAM max"))
    assert "(3 of 4; 1 failed)" in row
    assert "no clear difference (3 of 4 seeds; 1 failed)" in row


def test_text_has_colour_where_asked(table, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = render(table, "text", color=True)
    assert "\x1b[32m" in coloured
    assert re.sub(r" +\n", "\n", re.sub(r"\x1b\[[0-9;]*m", "", coloured)) == render(table, "text")
    assert "\x1b[1;32m20.10\x1b[0m" in coloured, "the best row that is resolved, in bold"
    assert "\x1b[1;32m" not in coloured.replace("\x1b[1;32m20.10", "")


def test_without_published_figures_there_is_no_such_column(tmp_path):
    study = STUDY.with_seeds(2).override({"recipe.epochs": "2"})
    write(tmp_path, study, ERRORS)
    table = tabulate(gather(study, tmp_path), study)
    for form in ("text", "md", "tex", "html"):
        assert "ublished" not in render(table, form)
    assert [column.heading for column in columns(table)][-1] == "verdict"


def test_an_empty_table_can_be_written_in_every_format(tmp_path):
    table = tabulate(gather(STUDY, tmp_path), STUDY)
    assert str(columns(table)[3].figures[0]) == "—\n(0 of 4;\n4 missing)"
    for form in FORMATS:
        assert "BAM product" in render(table, form)


def test_json_holds_all_that_is_needed_to_compute_the_table_anew(table):
    data = json.loads(render(table, "json"), parse_constant=pytest.fail)
    rows = {row["label"]: row for row in data["rows"]}
    assert list(data) == [
        "study",
        "question",
        "metric",
        "baseline",
        "rows",
        "notes",
        "footnotes",
        "device_hours",
        "costs",
        "comparisons",
        "margin",
        "stopping",
        "fixed",
        "complete",
        "unlisted",
    ]
    assert rows["SE_r8 <light>"]["sd"] is None
    assert rows["none"]["delta"] is rows["none"]["p_adjusted"] is None
    assert rows["SE_r8 <light>"]["states"] == {"missing": 2, "interrupted": 1}
    for label in ("BAM", "BAM product", "BAM max"):
        seeds = sorted(rows[label]["errors"])
        delta = paired(
            *([rows[r]["errors"][seed] for seed in seeds] for r in (label, data["baseline"])), outside=0.05 / 5
        )
        assert vars(delta) == rows[label]["delta"]


def test_csv_reads_back(table):
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO(render(table, "csv")))}
    assert float(lines["BAM"]["p_adjusted"]) == table.rows[1].p_adjusted
    assert lines["BAM"]["params"] == "81000"
    assert lines["none"]["delta"] == lines["none"]["delta_n"] == ""
    assert lines["BAM max"]["delta_n"] == "3"
    assert lines["BAM max"]["comparisons"] == "5"
    assert lines["BAM r=1"]["notes"].startswith("Row 'BAM r=1' computed exactly what row 'none' did")
    assert lines["BAM"]["notes"] == ""


class Shape(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.rows, self.widths, self.ids, self.links = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href"]
        if tag == "tr":
            self.rows.append([])
            self.widths.append(0)
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.widths[-1] += int(dict(attrs).get("colspan", 1))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_html_is_well_formed_and_its_text_is_not_read_as_markup(table):
    shape = Shape()
    shape.feed(render(table, "html"))
    assert shape.open == []
    assert set(shape.widths) == {len(columns(table))}
    assert shape.rows[5][0] == "SE_r8 <light>"
    assert shape.rows[2][6] == "better"


def test_markdown_rows_are_aligned_and_have_as_many_cells(table):
    lines = [line for line in render(table, "md").splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_signs_of_markdown_are_escaped():
    assert markdown("a|b *c* d_e _f_ <g> `h` \\ \n i") == r"a\|b \*c\* d_e \_f\_ \<g> \`h\` \\ i"
    assert markdown("$x$ costs $5") == r"\$x\$ costs \$5"


def test_latex_prints_the_best_in_bold(table):
    source = render(table, "tex")
    assert source.count(r"\bfseries") == 1
    assert r"BAM & 0.081 & 12.70 & \bfseries 20.10 & $\pm$ & 0.76 & (4) & -2.03 &" in source
    assert source.isascii()


def test_the_best_is_bold_in_documents(table):
    markdown, html = render(table, "md"), render(table, "html")
    assert "| **20.10** ± 0.76 (4) " in markdown
    assert markdown.count("**") == 4, "and the question"
    assert ">20.10<" in html
    assert html.count("<strong>20.10</strong> ± 0.76 (4)") == html.count("<strong>") == 1


def test_each_panel_has_its_best(tmp_path):
    table = panels(tmp_path)
    for form, sign in {"md": "**", "html": "<strong>", "tex": r"\bfseries "}.items():
        source = render(table, form)
        assert [f"{sign}{mean}" in source for mean in ("21.41", "29.12", "22.41", "30.12")] == [
            True,
            True,
            False,
            False,
        ]


MARKED = {
    "text": ("21.70 ± 0.37 (4)ᵃ ", "\nᵃ commit 91bc002 (not 3f2a91c): 1 of 4 runs of 'BAM product' (seed 3).\n"),
    "md": ("21.70 ± 0.37 (4)ᵃ ", "\n- ᵃ commit 91bc002 (not 3f2a91c): 1 of 4 runs of 'BAM product' (seed 3).\n"),
    "tex": (
        r"21.70 & $\pm$ & 0.37 & (4)\textsuperscript{a} &",
        "\n\\textsuperscript{a}commit 91bc002 (not 3f2a91c): 1 of 4 runs of 'BAM product' (seed 3).\\par\n",
    ),
    "html": (
        '21.70 ± 0.37 (4)<sup><a href="#combine-note-a" aria-label="note a">a</a></sup></td>',
        '<td colspan="8" id="combine-note-a"><sup>a</sup> commit 91bc002 (not 3f2a91c): 1 of 4 runs of ',
    ),
    "csv": ("1,0,0,0,0,", "commit=91bc002 (seed 3)"),
    "json": ('"marks": [\n    "a"\n   ]', '"mark": "a"'),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_mark_in_the_cell_and_its_footnote(table, form):
    source = render(table, form)
    for part in MARKED[form][form == "csv" :]:
        assert source.count(part) == 1
    assert "[a]" not in source or form == "json"


def test_marks_of_html_link_to_footnotes_of_their_own_table(table, tmp_path):
    other = panels(tmp_path / "panels", commit="0000001")
    shape = Shape()
    shape.feed(render(table, "html") + render(other, "html"))
    assert shape.ids == ["combine-note-a", "panels-note-a"]
    assert set(shape.links) == {f"#{anchor}" for anchor in shape.ids}


def test_marks_as_data(table):
    data = json.loads(render(table, "json"))
    assert [row["marks"] for row in data["rows"]] == [[], [], ["a"], [], [], []]
    (footnote,) = data["footnotes"]
    assert footnote == {
        "mark": "a",
        "differences": [{"entry": "commit", "here": "91bc002", "usual": "3f2a91c"}],
        "runs": {"BAM product": [3]},
        "text": "commit 91bc002 (not 3f2a91c): 1 of 4 runs of 'BAM product' (seed 3).",
    }
    assert data["notes"][0] == f"[a] {footnote['text']}"
    assert data["device_hours"] == pytest.approx(20 * 10 / 3600), "20 runs of 10 s on one rank"


PAGE = r"""\documentclass[a4paper]{article}\usepackage[margin=20mm]{geometry}\usepackage{booktabs,siunitx}
\begin{document}
%s\end{document}
"""


needs_latex = pytest.mark.skipif(
    not shutil.which("pdflatex") or subprocess.run(["kpsewhich", "siunitx.sty"], check=False).returncode != 0,
    reason="pdflatex or its package siunitx is not installed",
)


def compiled(folder, source):
    """Return what pdfLaTeX says of a page with this source, which it must take."""
    (folder / "table.tex").write_text(PAGE % source)
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    return said


@needs_latex
@pytest.mark.parametrize("golden", ["table", "paper-trained", "paper-untrained"])
def test_latex_compiles_and_fits_the_page(golden, tmp_path):
    said = compiled(tmp_path, (GOLDEN / f"{golden}.tex").read_text())
    for complaint in ("Overfull", "Float too large", "LaTeX Font Warning", "siunitx Warning"):
        assert complaint not in said, said[-2000:]


def test_notes_of_latex_are_outside_the_floats_and_footnotes_below_their_marks(table):
    source = as_latex(replace(table, shows_costs=True))
    first, second, outside = re.split(r"\\end{table}\n", source)
    assert r"\textsuperscript{a}commit 91bc002" in first
    assert r"\textsuperscript" not in second
    for note in ("Error: top-1", "Fixed: ", "No complete run has its cost recorded"):
        assert note in outside
        assert note not in first + second
    assert as_latex(table, notes="none").endswith("\\end{table}\n")


@needs_latex
def test_labels_and_caption_of_latex(table, tmp_path):
    caption = r"BAM's sum, 95\,\% intervals, see Table~\ref{tab:sum-2}"
    source = as_latex(replace(table, shows_costs=True), label="tab:sum", caption=caption)
    assert rf"\caption{{{caption}}}" in source
    assert rf"\caption{{{caption}. Cost as measured}}" in source
    assert "Does BAM help" not in source
    compiled(tmp_path, source + r"Tables \ref{tab:sum} and \ref{tab:sum-2}")
    again = compiled(tmp_path, source + r"Tables \ref{tab:sum} and \ref{tab:sum-2}")
    assert "undefined references" not in again
    labels = dict(re.findall(r"\\newlabel{(.*?)}{{(\d)}", (tmp_path / "table.aux").read_text()))
    assert labels == {"tab:sum": "1", "tab:sum-2": "2"}


LONG = {
    "WRN18 + BAM with a rather long row name that goes on and on": BAMSpec(),
    "attention=bam,attention.combine=product,attention.norm=hidden": BAMSpec(combine="product", norm="hidden"),
}


@needs_latex
def test_long_labels_are_broken_into_lines_and_fit_the_page(tmp_path):
    rows = {"none": Run()} | {label: Run(attention=attention) for label, attention in LONG.items()}
    study = replace(STUDY, rows=rows, scientific=("attention", "attention.combine", "attention.norm"), published={})
    write(tmp_path / "runs", study, dict(zip(rows, list(ERRORS.values())[:3], strict=True)))
    said = compiled(tmp_path, as_latex(tabulate(gather(study, tmp_path / "runs"), study)))
    assert "Overfull" not in said, said[-2000:]


def test_macs_have_four_digits_whatever_the_size(tmp_path):
    empty = gather(STUDY, tmp_path)
    for macs, unit, shown in [
        (20_341, "M", "0.02034"),
        (12_700_000, "M", "12.70"),
        (123_400_000, "G", "0.1234"),
        (3_860_000_000, "G", "3.860"),
        (0, "M", "0"),
    ]:
        column = columns(tabulate(empty, STUDY, planned={"BAM": (1, macs)}))[2]
        assert column.heading == f"MACs\n({unit})"
        assert column.cells[1] == shown


def test_fixed_facts_are_told_slot_by_slot():
    flat = {"backbone": "resnet18", "backbone.width": "64", "attention.reduction": "16", "score_on": "test"}
    assert fixed_facts(flat) == "backbone resnet18 (width 64); attention (reduction 16); score_on test"


def test_what_is_off_is_no_fixed_fact():
    off = {"placement": "after_stages", "placement.stages": "None", "recipe.ema": "None", "recipe.lr": "0.1"}
    assert fixed_facts(off) == "placement after_stages; recipe (lr 0.1)"
    assert fixed_facts({"attention.inner": "None", "seed": "0"}) == "seed 0"


def test_small_figures(table):
    rows = {row.label: cell for row, cell in zip(table.rows, columns(table)[5].cells, strict=True)}
    assert rows["BAM"] == "<0.001"
    assert rows["none"] == ""
    assert math.isnan(table.rows[0].p_adjusted)
