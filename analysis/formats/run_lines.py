"""Runs as flat lines for programs: a line each, whatever has become of it."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from analysis.cells import homes
from analysis.cost.measured import measured
from analysis.cost.rows import MEASURES
from analysis.environment import UNKNOWN, over_attempts
from analysis.formats.data import csv_cell
from analysis.formats.json_text import without_nan
from analysis.table.interim import due
from lightning_bam.config import flatten
from lightning_bam.run_folder.manifest import failures
from lightning_bam.run_folder.result import reports
from studies.definition.study import Study
from studies.records.records import Record
from studies.terminal.text import visible

Line = dict[str, Any]


def run_lines(studies: Sequence[tuple[Study, Sequence[Record]]]) -> list[Line]:
    """Return a line for each run that these studies want by now, all with the same names; None where there is nothing.

    The knobs are those, by flat name, in which rows that have them differ.
    """
    flats = {(study.label, row): flatten(run) for study, _ in studies for row, run in study.rows.items()}
    names = dict.fromkeys(name for flat in flats.values() for name in flat if name != "seed")
    knobs = [name for name in names if len({repr(flat[name]) for flat in flats.values() if name in flat}) > 1]
    metrics = [reports(next(iter(study.rows.values()))) for study, _ in studies]
    figures = [*dict.fromkeys(name for some in metrics for name in some), "scored", "params", "macs"]
    panels = any(study.within for study, _ in studies)
    lines = []
    for study, records in studies:
        home = homes(study)
        for record in due(study, records):
            present = record.state != "missing"
            commit = over_attempts(attempt.commit for attempt in record.manifest.effective)
            lines.append(
                {"study": study.label}
                | ({"panel": home[record.row]} if panels else {})
                | {"row": record.row, "is_baseline": record.row in study.baselines}
                | {"seed": record.run.seed, "key": record.run.key, "state": record.state}
                | {name: flats[study.label, record.row].get(name) for name in knobs}
                | {name: record.result.figure(name) if record.result else None for name in figures}
                | {"epochs": record.epochs, "seconds": getattr(record.result, "seconds", None)}
                | {name: getattr(measured(record), name, None) if present else None for name in MEASURES}
                | {"commit": None if commit == UNKNOWN else commit}
                | {"failed_before": len(failures(record.manifest)) if present else None}
            )
    return lines


def runs_as_csv(lines: Sequence[Line]) -> str:
    """Return the lines as comma-separated values, with full precision; empty where there is nothing."""
    out = io.StringIO()
    writer = csv.DictWriter(out, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(item) for name, item in line.items()} for line in lines)
    return out.getvalue()


def runs_as_json(lines: Sequence[Line]) -> str:
    """Return the lines as a list of objects, each on a line of its own; null where there is nothing."""
    written = [visible(json.dumps(without_nan(line), ensure_ascii=False, allow_nan=False)) for line in lines]
    return "[\n" + ",\n".join(written) + "\n]\n"
