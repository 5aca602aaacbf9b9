"""Where a study's figures come from: what was varied and held fixed, commits, versions, hardware, hours, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from analysis.environment import device_hours, over_attempts
from analysis.formats.legend import fixed_facts
from lightning_bam.config import flatten
from lightning_bam.run_folder.manifest import ENTRIES
from studies.definition.panels import telling_apart
from studies.definition.study import Study
from studies.records.records import Record


def hours_told(hours: float) -> str:
    """Write hours with two significant digits, in full from ten up."""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def clock(text: str) -> str:
    """Write an ISO time as `2026-11-25 22:48 UTC`; what is no such time as it stands."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found.tzinfo else f"{found:%Y-%m-%d %H:%M}"


def provenance(records: Sequence[Record]) -> dict[str, str]:
    """Return, under the names of `ENTRIES` and others, what the finished runs were made with, as far as recorded.

    Where runs differ each value stands with the number of runs that have it.
    """
    done = [record for record in records if record.result is not None]
    found = {}
    for entry, (name, _) in ENTRIES.items():
        noted = ([getattr(made, entry) for made in record.manifest.effective] for record in done)
        recorded = ([value for value in made if value is not None] for made in noted)
        values = Counter(over_attempts(made) for made in recorded if made)
        if values:
            found[name] = _counted(values, len(done))
    hours, runs = device_hours(done)
    if runs:
        known = "" if runs == len(done) else f" (known of {runs} of {len(done)} runs)"
        found["device-hours"] = hours_told(hours) + known
    again = sum(len(record.manifest.effective) > 1 for record in done)
    if again:
        found["interrupted"] = f"{again} of {len(done)} runs went on from a checkpoint"
    started = [one.started for record in done for one in record.manifest.effective if one.started]
    ended = [record.manifest.ended for record in done if record.manifest.ended]
    if started:
        found["first run started"] = clock(min(started))
    if ended:
        found["last run ended"] = clock(max(ended))
    return found


def _counted(values: Counter[str], runs: int) -> str:
    if len(values) == 1 and values.total() == runs:
        return next(iter(values))
    told = [f"{value} ({count} run{'s' * (count > 1)})" for value, count in values.most_common()]
    unknown = runs - values.total()
    return "; ".join([*told, *([f"not recorded ({unknown})"] if unknown else [])])


def conditions(study: Study) -> dict[str, str]:
    """Return the factors under question with their values, then what differs by chance, then each fixed slot."""
    flats = [flatten(run) for run in study.rows.values()]

    def values(name: str) -> str:
        return ", ".join(dict.fromkeys(str(flat[name]) for flat in flats if name in flat))

    found = {f"varied: {name}": values(name) for name in study.scientific}
    found |= {f"panels: {name}": values(name) for name in telling_apart(study.rows, study.within)}
    seeds = ", ".join(map(str, study.seed_list))
    found["by chance: seed"] = f"{seeds} (initial weights, order and augmentation of the data; the same in every row)"
    slots: dict[str, dict[str, str]] = {}
    for name, value in study.fixed().items():
        slots.setdefault(name.partition(".")[0], {})[name] = value
    return found | {f"fixed: {slot}": _facts(slot, facts) for slot, facts in slots.items()}


def _facts(slot: str, facts: dict[str, str]) -> str:
    told = fixed_facts(facts).removeprefix(slot).strip()
    return told[1:-1] if told.startswith("(") else told
