"""What the package would send of a saved view or a report, as data."""

from __future__ import annotations

from typing import Any

BY_ROW = {"groupBy": "rows.value.made", "groupAgg": "mean", "groupArea": "minmax", "aggregate": True}
CURVE = BY_ROW | {"xAxis": "_step", "xAxisTitle": "epoch", "smoothingType": "none"}
DETECTION = (
    "Bar Chart",
    BY_ROW
    | {
        "groupBy": "rows.value.boxes",
        "chartTitle": "mAP@[.5:.95] (%), test",
        "metrics": ["test/map_50_95"],
        "vertical": False,
    },
)
"""The panel of a study of detection, `boxes`, which is not scored at every epoch."""


def section_of(workspace: Any) -> dict[str, Any]:
    """Return the spec of a view: its runs, its settings, its colours and its sections."""
    return sent(workspace._to_model().spec)["section"]


def blocks_of(report: Any) -> list[dict[str, Any]]:
    """Return the blocks of a report without the empty paragraphs at its ends."""
    return sent(report._to_model().spec)["blocks"][1:-1]


def sent(model: Any) -> dict[str, Any]:
    """Return a model in the words of the app."""
    return model.model_dump(by_alias=True, exclude_none=True)


def panels_of(section: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the panels of a section: the kind of each, and what it shows."""
    return [(panel["viewType"], panel["config"]) for panel in section["panels"]]


def filters_of(run_set: dict[str, Any]) -> list[tuple[str, str, object]]:
    """Return what a run set's runs must be, all of it."""
    items = run_set["filters"]["filters"]
    assert not any(item["disabled"] for item in items)
    assert [item.get("connector") for item in items] == [None, *["AND"] * (len(items) - 1)]
    return [(f"{item['key']['section']}:{item['key']['name']}", item["op"], item["value"]) for item in items]


def text_of(node: Any) -> str:
    """Return all text below a block, as the app shows it."""
    if isinstance(node, dict):
        return "".join(text_of(item) for name, item in node.items() if name in ("children", "text"))
    return "".join(map(text_of, node)) if isinstance(node, list) else str(node)
