"""The panels of a study: the parts within which rows are compared, and the rule that makes a comparison fair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
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
    """Split the rows by what stands in the slots `within`; each part has exactly one baseline.

    Raises:
        StudyError: an unknown slot, a baseline that is no row, a part without a baseline or with two of them.

    """
    for slot in within:
        if slot not in KINDS or slot == "attention":
            slots = [name for name in KINDS if name != "attention"]
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
        found = [row for row in part if row in baselines]
        if not found:
            raise StudyError(f"{study}: no baseline for {', '.join(map(repr, part))}: name the row{same} in `baseline`")
        if len(found) > 1:
            raise StudyError(f"{study}: baselines {' and '.join(map(repr, found))} are rows{same}: name one of them")
        panels.append(Panel(found[0], tuple(part)))
    return tuple(panels)


def check_differences(
    study: str, rows: Mapping[str, Run], panels: Sequence[Panel], scientific: Sequence[str], within: Sequence[str]
) -> None:
    """Make sure that rows differ only in what is under question, and panels besides only in the slots `within`.

    Raises:
        StudyError: rows that differ in anything else, equal rows, or a name under question in which no two rows differ.

    """
    flats = {row: flatten(run) for row, run in rows.items()}
    inside = _varying(flats, panels)
    between = {name for name in _varying(flats, [Panel("", tuple(rows))]) if name.partition(".")[0] not in within}
    stray = (between | inside) - set(scientific)
    if stray or len({run.key for run in rows.values()}) < len(rows):
        _refuse(study, rows, panels, scientific, within)
    if idle := sorted(set(scientific) - varying(rows, panels)):
        where = " of a panel" if within else ""
        raise StudyError(f"{study}: no two rows{where} differ in {', '.join(idle)}, named in `scientific`")


def _refuse(
    study: str, rows: Mapping[str, Run], panels: Sequence[Panel], scientific: Sequence[str], within: Sequence[str]
) -> None:
    """Raise for the first two rows that are the same run, or differ in what is not under question."""
    home = {row: panel for panel in panels for row in panel.rows}
    flats = {row: flatten(run) for row, run in rows.items()}
    for a, b in combinations(rows, 2):
        if rows[a].key == rows[b].key:
            raise StudyError(f"{study}: rows {a!r} and {b!r} are the same run")
        free = set(scientific)
        if home[a] is not home[b]:
            free |= {name for flat in (flats[a], flats[b]) for name in flat if name.partition(".")[0] in within}
        if stray := sorted(_differing(flats[a], flats[b]) - free):
            shown = ", ".join(f"{name} ({flats[a][name]} and {flats[b][name]})" for name in stray)
            raise StudyError(
                f"{study}: rows {a!r} and {b!r} differ in {shown}, which is not under question; "
                "make them equal or name it in `scientific`"
            )


def varying(rows: Mapping[str, Run], panels: Collection[Panel]) -> set[str]:
    """Return the flat names in which two rows of one panel differ, and the module's in which two of any panels do.

    A module's knob may differ between panels alone: each row is held against a baseline that lacks it.
    """
    flats = {row: flatten(run) for row, run in rows.items()}
    every = _varying(flats, [Panel("", tuple(row for panel in panels for row in panel.rows))])
    return _varying(flats, panels) | {name for name in every if name.partition(".")[0] in ("attention", "placement")}


def _varying(flats: Mapping[str, Mapping[str, object]], panels: Iterable[Panel]) -> set[str]:
    found = set()
    for panel in panels:
        values: dict[str, set[object]] = {}
        for row in panel.rows:
            for name, value in flats[row].items():
                values.setdefault(name, set()).add(value)
        found |= {name for name, several in values.items() if len(several) > 1}
    return found


def telling_apart(rows: Mapping[str, Run], within: Sequence[str]) -> tuple[str, ...]:
    """Return the flat names of the slots `within` that have more than one value: what tells panels apart."""
    values: dict[str, set[object]] = {}
    for run in rows.values():
        for name, value in flatten(run).items():
            if name.partition(".")[0] in within:
                values.setdefault(name, set()).add(value)
    return tuple(name for name, found in values.items() if len(found) > 1)


def _differing(left: Mapping[str, object], right: Mapping[str, object]) -> set[str]:
    return {name for name in left.keys() & right.keys() if left[name] != right[name]}
