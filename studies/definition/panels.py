"""The panels of a study: the parts within which rows are compared, and the rule that makes a comparison fair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from lightning_bam.config import KINDS, Run, flatten, nearest
from studies.errors import StudyError


class Panel(NamedTuple):
    """One baseline and the rows that are compared with it, the baseline included, in the study's order."""

    baseline: str
    rows: tuple[str, ...]

    def among(self, rows: Collection[str]) -> Panel:
        """Return the panel with these of its rows alone."""
        return Panel(self.baseline, tuple(row for row in self.rows if row in rows))


def make_panels(
    study: str, rows: Mapping[str, Run], baselines: Sequence[str], within: Sequence[str]
) -> tuple[Panel, ...]:
    """Split the rows by what stands in the slots `within`; a StudyError unless each part has exactly one baseline."""
    slots = [name for name in KINDS if name != "attention"]
    for slot in within:
        if slot not in slots:
            raise StudyError(f"{study}: within {slot!r}: no slot that panels may differ in; {nearest(slot, slots)}")
    for baseline in baselines:
        if baseline not in rows:
            raise StudyError(f"{study}: baseline {baseline!r} is no row; {nearest(baseline, rows)}")
    parts: dict[tuple[object, ...], list[str]] = {}
    for row, run in rows.items():
        parts.setdefault(tuple(getattr(run, slot) for slot in within), []).append(row)
    panels = []
    same = f" of equal {' and '.join(within)}" if within else ""
    for part in parts.values():
        own = [row for row in part if row in baselines]
        if not own:
            raise StudyError(f"{study}: no baseline for {', '.join(map(repr, part))}: name the row{same} in `baseline`")
        if len(own) > 1:
            raise StudyError(f"{study}: baselines {' and '.join(map(repr, own))} are rows{same}: name one of them")
        panels.append(Panel(own[0], tuple(part)))
    return tuple(panels)


def check_differences(
    study: str, rows: Mapping[str, Run], panels: Sequence[Panel], scientific: Sequence[str], within: Sequence[str]
) -> None:
    """Raise a StudyError unless rows differ in all that is under question, and panels in `within`, and in no more."""
    first: dict[str, str] = {}
    for row, run in rows.items():
        if first.setdefault(run.key, row) != row:
            raise StudyError(f"{study}: rows {first[run.key]!r} and {row!r} are the same run")
    flats = {row: flatten(run) for row, run in rows.items()}
    everywhere = {name: values for name, values in _differences(flats, rows).items() if _slot(name) not in within}
    for differences in (everywhere, *(_differences(flats, panel.rows) for panel in panels)):
        stray = sorted(differences.keys() - set(scientific))
        if stray:
            a, b, *_ = differences[stray[0]].values()
            both = [
                name for name in stray if name in flats[a] and name in flats[b] and flats[a][name] != flats[b][name]
            ]
            shown = ", ".join(f"{name} ({flats[a][name]} and {flats[b][name]})" for name in both)
            raise StudyError(
                f"{study}: rows {a!r} and {b!r} differ in {shown}, which is not under question; "
                "make them equal or name it in `scientific`"
            )
    if idle := sorted(set(scientific) - varying(rows, panels)):
        where = " of a panel" if within else ""
        raise StudyError(f"{study}: no two rows{where} differ in {', '.join(idle)}, named in `scientific`")


def varying(rows: Mapping[str, Run], panels: Collection[Panel]) -> set[str]:
    """Return the flat names in which two rows of one panel differ, and the module's in which two of any panels do."""
    flats = {row: flatten(run) for row, run in rows.items()}
    inside = {name for panel in panels for name in _differences(flats, panel.rows)}
    between = _differences(flats, [row for panel in panels for row in panel.rows])
    return inside | {name for name in between if _slot(name) in ("attention", "placement")}


def panel_names(rows: Mapping[str, Run], within: Sequence[str]) -> tuple[str, ...]:
    """Return the flat names of the slots `within` that have more than one value: what distinguishes the panels."""
    flats = {row: flatten(run) for row, run in rows.items()}
    return tuple(name for name in _differences(flats, rows) if _slot(name) in within)


def _differences(flats: Mapping[str, Mapping[str, object]], rows: Iterable[str]) -> dict[str, dict[object, str]]:
    """Return each flat name with several values, and the first of the rows that has each value."""
    values: dict[str, dict[object, str]] = {}
    for row in rows:
        for name, value in flats[row].items():
            values.setdefault(name, {}).setdefault(value, row)
    return {name: rows_of for name, rows_of in values.items() if len(rows_of) > 1}


def _slot(name: str) -> str:
    return name.partition(".")[0]
