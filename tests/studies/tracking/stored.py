"""What a W&B server has: runs, artifacts, sweeps, and which runs a filter of the public API means."""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.studies.tracking.graphql import UnknownField

HISTORY, SUMMARY, SYSTEM, CONSOLE = "wandb-history.jsonl", "wandb-summary.json", "wandb-events.jsonl", "output.log"

Object = dict[str, Any]


def now() -> str:
    """Return the time as the server writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id(kind: str) -> str:
    """Return an id as the server has them, base64 of what it names."""
    return base64.b64encode(f"{kind}:{secrets.token_hex(8)}".encode()).decode()


@dataclass(eq=False)
class StubRun:
    """One run as the server has it. `lines` is the file stream: text by line number, by file."""

    entity: str
    project: str
    id: str
    storage_id: str = field(default_factory=lambda: new_id("Run"))
    display_name: str = ""
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    sweep: str | None = None
    tags: list[str] = field(default_factory=list)
    state: str = "running"
    exit_code: int | None = None
    raw_config: Object = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    logged: list[StubArtifact] = field(default_factory=list)
    used: list[StubArtifact] = field(default_factory=list)
    created_at: str = field(default_factory=now)

    def text(self, name: str) -> list[str]:
        """Return the lines of a file of the stream, in order."""
        return [line for _, line in sorted(self.lines.get(name, {}).items())]

    @property
    def config(self) -> Object:
        """What the user has told, without W&B's own part."""
        return {name: item["value"] for name, item in self.raw_config.items() if name != "_wandb"}

    @property
    def document(self) -> Object:
        """The run as filters see it."""
        return {
            **{"name": self.id, "displayName": self.display_name, "display_name": self.display_name, "tags": self.tags},
            **{"group": self.group, "jobType": self.job_type, "state": self.state, "sweep": self.sweep},
            **{"config": self.raw_config, "summary_metrics": self.summary},
        }

    @property
    def history(self) -> list[Object]:
        """Each line of history, as often as the client sent it under a line number of its own."""
        return [json.loads(line) for line in self.text(HISTORY)]

    @property
    def summary(self) -> Object:
        """The last summary."""
        return json.loads((self.text(SUMMARY) or ["{}"])[-1])

    @property
    def system(self) -> list[Object]:
        """Samples of the machine."""
        return [json.loads(line) for line in self.text(SYSTEM)]

    @property
    def console(self) -> list[str]:
        """What the run printed, without the time that the client puts before each line."""
        return [re.sub(r"^(ERROR )?\S+ ", "", line) for line in self.text(CONSOLE)]


@dataclass(eq=False)
class StubArtifact:
    """One version of an artifact. `manifest` is the client's, path -> digest, size or reference."""

    entity: str
    project: str
    type: str
    collection: str
    digest: str
    run: StubRun | None
    client_id: str | None = None
    id: str = field(default_factory=lambda: new_id("Artifact"))
    version: int | None = None
    state: str = "PENDING"
    aliases: set[str] = field(default_factory=set)
    tags: list[str] = field(default_factory=list)
    description: str | None = None
    metadata: Object = field(default_factory=dict)
    manifest: Object = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    used_by: list[StubRun] = field(default_factory=list)
    created_at: str = field(default_factory=now)

    @property
    def name(self) -> str:
        """The collection and the version, as the client writes it."""
        return f"{self.collection}:v{self.version}"


@dataclass(eq=False)
class StubSweep:
    """One sweep; its runs are those that name it."""

    entity: str
    project: str
    config: Object = field(default_factory=dict)
    state: str = "PENDING"
    display_name: str | None = None
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    id: str = field(default_factory=lambda: new_id("Sweep"))
    created_at: str = field(default_factory=now)


def look_up(document: Object, name: str) -> Any:
    """Return what a dotted name means in a run's document, or None; `config.x` is short for `config.x.value`."""
    steps = name.split(".")
    if steps[0] == "config" and "value" not in steps[2:3]:
        steps.insert(2, "value")
    value: Any = document
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def matches(document: Object, query: Object) -> bool:
    """Return whether a run's document is what a filter of the public API, in MongoDB's words, asks for."""
    return all(_holds(document, name, wanted) for name, wanted in query.items())


def _holds(document: Object, name: str, wanted: Any) -> bool:
    if name in {"$and", "$or"}:
        return {"$and": all, "$or": any}[name](matches(document, each) for each in wanted)
    value = look_up(document, name)
    if not (isinstance(wanted, dict) and any(key.startswith("$") for key in wanted)):
        wanted = {"$eq": wanted}
    one_of = value if isinstance(value, list) else [value]
    tests = {
        "$eq": lambda x: value == x or x in one_of,
        "$ne": lambda x: value != x and x not in one_of,
        "$in": lambda x: any(each in x for each in one_of),
        "$nin": lambda x: not any(each in x for each in one_of),
        "$gt": lambda x: value is not None and value > x,
        "$gte": lambda x: value is not None and value >= x,
        "$lt": lambda x: value is not None and value < x,
        "$lte": lambda x: value is not None and value <= x,
        "$exists": lambda x: (value is not None) == x,
        "$regex": lambda x: any(isinstance(each, str) and re.search(x, each) for each in one_of),
    }
    if strange := wanted.keys() - tests.keys():
        raise UnknownField(f"a filter with {sorted(strange)}")
    return all(tests[key](x) for key, x in wanted.items())
