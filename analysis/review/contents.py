"""What a study's analysis run shows in W&B: its table, plots, page, method and bundle, as plain data."""

import stat
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from analysis.bundle.archive import write
from analysis.bundle.contents import BundleOptions, check, contents, made_of
from analysis.formats.data import frame
from analysis.formats.markdown import escaped
from analysis.html.templates import escape
from analysis.methods.account import account
from analysis.methods.written import as_html, as_markdown
from analysis.plots.glyphs import missing_glyphs
from analysis.plots.kinds import KINDS, draw
from analysis.plots.plot import Plot
from analysis.report.page import page
from analysis.report.verdict import paragraphs, sentences
from analysis.table.build import Table
from lightning_bam.run_folder.files import FolderError, read_bytes, refuse
from studies.definition.study import Study, presets_of
from studies.errors import StudyError
from studies.records.records import Record
from studies.stopping_rules.declaration import declared_on
from studies.tracking.analysis_run import BUNDLE, Analysis, Effect, Picture
from studies.tracking.names import MAPS, METHODS, PAGE

INSPECTED: Final = "inspect"
"""Where `bam inspect` writes in a run folder."""
MOST_ROWS: Final = 12
MOST_MAPS: Final = 3
"""Rows of which maps are shown, and maps of each."""
FIRST: Final = (
    "row",
    "n",
    "{metric}_mean",
    "{metric}_sd",
    "delta",
    "delta_low",
    "delta_high",
    "verdict",
    "params",
    "macs",
)
"""The columns of CSV that W&B's table begins with; it shows what its panel has room for."""
MOST_SENTENCES: Final = 12
"""Sentences of the verdict that stand in the notes."""
BEGIN: Final = 500
END: Final = 200
"""Characters of a sentence that names many rows."""


def analysis_of(
    study: Study, records: Sequence[Record], table: Table, root: Path, bundle: BundleOptions, *, alert: bool = False
) -> Analysis:
    """Return what is told of a study, whose `table` is made of these records; `bundle` is what its bundle holds.

    It has a bundle where every record is whole and some run complete.
    """
    columns, lines = columns_of(table, records)
    with missing_glyphs():
        drawings = {kind: draw(kind, study, records, table) for kind in KINDS}
        pictures = {
            f"{kind}/picture": [Picture(drawing.as_bytes("png"), drawing.caption)]
            for kind, drawing in drawings.items()
            if isinstance(drawing, Plot)
        }
        files = bundled(study, records, root, bundle)
        if "report.html" in files:
            shown = files["report.html"].decode()
        else:
            shown = page([(study, records)], [table], made_of(records, bundle.words))
        shown = shown.replace(escape(root.absolute()), "runs")  # a failed run's traceback names it
    if drawn := maps(records):
        pictures[MAPS] = drawn
    method = as_html(account(study, records, table, declared_on(study, root)))
    return Analysis(
        label=study.label,
        notes=notes(table),
        presets=presets_of(study),
        config=config(study, records),
        summary=summary(table),
        columns=columns,
        lines=lines,
        effects=[
            Effect(row.label, row.delta.low, row.delta.mean, row.delta.high)
            for row in table.rows
            if row.delta is not None and row.delta.low == row.delta.low
        ],
        difference=f"difference in {table.metric.title} ({table.metric.difference})",
        pictures=pictures,
        pages={PAGE: shown, METHODS: method},
        bundle=files.get(BUNDLE),
        runs={record.run.key: record.row for record in records if record.result is not None},
        alert="\n".join(sentences(table)) if alert else "",
    )


def columns_of(table: Table, records: Sequence[Record]) -> tuple[list[str], list[list[Any]]]:
    """Return the columns of CSV, those first that one looks for, with a row's complete runs as the last, and the lines.

    A run's key is its id in W&B.
    """
    whole, metric = frame([table]).astype(object), table.metric.name
    whole["runs"] = [
        " ".join(one.run.key for one in records if one.row == row.label and one.result is not None)
        for row in table.rows
    ]
    first = [name.format(metric=metric) for name in FIRST]
    whole = whole[[*first, *(name for name in whole.columns if name not in first)]]
    return list(whole.columns), whole.where(whole.notna(), None).to_numpy().tolist()


def notes(table: Table) -> str:
    """Return the question and the verdict in Markdown: what one reads of a study before any panel."""
    said = [sentence for paragraph in paragraphs(table) for sentence in paragraph]
    lines = [f"- {escaped(_cut(sentence))}" for sentence in said[:MOST_SENTENCES]]
    if more := len(said[MOST_SENTENCES:]):
        lines.append(f"- and {more} more, in the report")
    return "\n".join([f"**{escaped(table.question)}**", "", *lines])


def _cut(sentence: str) -> str:
    """Leave out what stands between a sentence's begin, its verdict, and its end, an interval."""
    return sentence if len(sentence) <= BEGIN + END else f"{sentence[:BEGIN]} ... {sentence[-END:]}"


def methods(study: Study, records: Sequence[Record], table: Table, root: Path) -> str:
    """Return the study's method in Markdown."""
    return as_markdown(account(study, records, table, declared_on(study, root)))


def config(study: Study, records: Sequence[Record]) -> dict[str, Any]:
    """Return how a study is defined, and the keys of its runs, which are their ids in W&B."""
    return {
        "question": study.question,
        "metric": study.metric,
        "margin": study.margin,
        "baselines": list(study.baselines),
        "scientific": list(study.scientific),
        "seeds": list(study.seed_list),
        "runs": [
            {"row": row, "keys": [record.run.key for record in records if record.row == row]} for row in study.rows
        ],
    }


def summary(table: Table) -> dict[str, Any]:
    """Return how far a study is, and how many of its rows have each verdict."""
    done, wanted = sum(row.n for row in table.rows), sum(row.wanted for row in table.rows)
    kinds = Counter(row.verdict.kind for row in table.rows if row.label != row.baseline)
    return {
        "runs": f"{done} of {wanted} runs complete",
        "complete": table.complete,
        "verdicts": ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
        "device_hours": table.device_hours,
    }


def maps(records: Sequence[Record]) -> list[Picture]:
    """Return the attention maps that `bam inspect` has drawn of runs: of each row those of its first such run."""
    found: dict[str, list[Picture]] = {}
    for record in records:
        if record.row not in found and len(found) < MOST_ROWS:
            refuse(record.folder.path / INSPECTED, stat.S_IFDIR)
            paths = sorted((record.folder.path / INSPECTED).glob("maps-*.png"))[:MOST_MAPS]
            told = f"{record.row}, seed {record.run.seed}"
            if drawn := [Picture(read_bytes(path), told) for path in paths]:
                found[record.row] = drawn
    return [picture for drawn in found.values() for picture in drawn]


def bundled(study: Study, records: Sequence[Record], root: Path, bundle: BundleOptions) -> dict[str, bytes]:
    """Return the study's bundle, as `BUNDLE`, and the page in it; empty where no run is complete, or a record torn."""
    with tempfile.TemporaryDirectory(prefix="bam-bundle-") as place:
        folder, archive = Path(place, "runs"), Path(place, "bundle.tar.gz")
        folder.mkdir()
        try:
            check(study, records, root, partial=True)
            files, _ = contents(study, records, root, folder, bundle)
        except (FolderError, StudyError):
            return {}
        write(archive, "bundle", files)
        return {BUNDLE: archive.read_bytes(), "report.html": bytes(files["report.html"])}
