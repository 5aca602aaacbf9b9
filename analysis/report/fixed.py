"""What a study varied and what it held fixed: what its conclusions are conditional on."""

from __future__ import annotations

from analysis.formats.legend import fixed_facts
from lightning_bam.config import flatten
from studies.definition.panels import telling_apart
from studies.definition.study import Study


def conditions(study: Study) -> dict[str, str]:
    """Return the factors under question with their values, then what differs by chance, then each fixed slot."""
    flats = [flatten(run) for run in study.rows.values()]
    found = {}
    for name in study.scientific:
        values = dict.fromkeys(str(flat[name]) for flat in flats if name in flat)
        found[f"varied: {name}"] = ", ".join(values)
    for name in telling_apart(study.rows, study.within):
        found[f"panels: {name}"] = ", ".join(dict.fromkeys(str(flat[name]) for flat in flats if name in flat))
    seeds = ", ".join(map(str, study.seed_list))
    found["by chance: seed"] = f"{seeds} (initial weights, order and augmentation of the data; the same in every row)"
    slots: dict[str, dict[str, str]] = {}
    for name, value in study.fixed().items():
        slots.setdefault(name.partition(".")[0], {})[name] = value
    return found | {f"fixed: {slot}": _facts(slot, facts) for slot, facts in slots.items()}


def _facts(slot: str, facts: dict[str, str]) -> str:
    told = fixed_facts(facts).removeprefix(slot).strip()
    return told[1:-1] if told.startswith("(") else told
