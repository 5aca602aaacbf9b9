"""A server for W&B's real client, in this process: it answers what the client sends, and keeps it for a test to see.

`StubServer` has what a server would have (`runs`, `artifacts`, `sweeps`, `alerts`, `charts`, `views`), what was asked
of it in vain (`unknown`, which a test wants empty), and faults on demand (`refuse`, `hang`, `slow`, `die`, `recover`).
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import gzip
import hashlib
import json
import math
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import yaml

from tests.studies.tracking.graphql import Operation, UnknownField

ENTITY = "lab"
"""Whose the API key is, and with it what names no entity."""

FEATURES = (
    "CLIENT_IDS",
    "LARGE_FILENAMES",
    "ARTIFACT_TAGS",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "SWEEPS_QUERY_FILTERING",
)
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
    created: str = field(default_factory=now)

    def text(self, name: str) -> list[str]:
        """Return the lines of a file of the stream, in order."""
        return [line for _, line in sorted(self.lines.get(name, {}).items())]

    @property
    def config(self) -> Object:
        """What the user has told, without W&B's own part."""
        return {name: item["value"] for name, item in self.raw_config.items() if name != "_wandb"}

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
    created: str = field(default_factory=now)

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
    created: str = field(default_factory=now)


def look_up(document: Object, name: str) -> Any:
    """Return what a dotted name means in a run's document, or None."""
    value: Any = document
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def matches(document: Object, query: Object) -> bool:
    """Return whether a run's document is what a filter of the public API, in MongoDB's words, asks for."""
    return all(_holds(document, name, wanted) for name, wanted in query.items())


def _holds(document: Object, name: str, wanted: Any) -> bool:
    if name in {"$and", "$or", "$nor"}:
        found = [matches(document, each) for each in wanted]
        return {"$and": all(found), "$or": any(found), "$nor": not any(found)}[name]
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


def page(nodes: list[Object], first: int | None = None, after: str | None = None) -> Object:
    """Return a page of a connection, from after a cursor."""
    begin = int(after or 0)
    end = len(nodes) if first is None else begin + first
    edges = [{"node": node, "cursor": str(place + 1)} for place, node in enumerate(nodes)]
    info = {"__typename": "PageInfo", "endCursor": str(min(end, len(nodes))), "hasNextPage": end < len(nodes)}
    return {"edges": edges[begin:end], "pageInfo": info, "totalCount": len(nodes)}


class Answers:
    """What the server's GraphQL gives for each object and mutation, from what it has."""

    def __init__(self, server: StubServer):
        self.server = server
        self.user = {
            **{
                "__typename": "User",
                "id": new_id("User"),
                "name": "Ann",
                "username": "ann",
                "email": "ann@example.org",
                "photoUrl": None,
            },
            **{"entity": ENTITY, "admin": False, "flags": "{}", "deletedAt": None, "apiKeys": page([])},
            **{"teams": page([{"name": ENTITY}])},
        }
        self.query = {
            "viewer": self.user,
            "serverInfo": {"features": [{"name": name, "isEnabled": True} for name in FEATURES]},
            "project": self.project,
            "model": self.project,
            "models": lambda entityName=ENTITY, first=None, after=None: page(
                [self.project(name, entity) for entity, name in server.projects if entity == entityName], first, after
            ),
            "entity": lambda name: {"id": name, "name": name, "xxhashDigestsEnabled": False, "organization": None},
            "artifact": lambda **told: self.artifact(self.artifact_by("id", told["id"])),
            "view": lambda **told: self.view(server.views.get(told["id"])),
            "clientIDMapping": lambda clientID: {"serverID": self.artifact_by("client_id", clientID).id},
        }
        names = [name for name in dir(self) if name.startswith("do_")]
        self.mutation = {name.removeprefix("do_"): self.with_input(getattr(self, name)) for name in names}

    @staticmethod
    def with_input(change: Callable[[Object], Object]) -> Callable[..., Object]:
        return lambda **arguments: change(arguments["input"])

    # what there is

    def artifact_by(self, name: str, value: str) -> StubArtifact:
        for artifact in self.server.artifacts:
            if getattr(artifact, name) == value:
                return artifact
        raise UnknownField(f"an artifact with {name} {value!r}, which is not there")

    def runs_of(self, entity: str, project: str, filters: str | None = None, order: str | None = None) -> list[StubRun]:
        query = json.loads(filters or "{}")
        runs = [run for run in self.server.runs.values() if (run.entity, run.project) == (entity, project)]
        runs = [run for run in runs if matches(self.document(run), query)]
        if order and not order.endswith("created_at"):
            values = {run: look_up(self.document(run), order.lstrip("+-")) for run in runs}
            runs = sorted((run for run in runs if values[run] is not None), key=values.__getitem__)
        return runs[::-1] if (order or "").startswith("-") else runs

    def document(self, run: StubRun) -> Object:
        """Return a run as filters see it."""
        return {
            **{"name": run.id, "displayName": run.display_name, "display_name": run.display_name, "tags": run.tags},
            **{"group": run.group, "jobType": run.job_type, "state": run.state, "sweep": run.sweep, "notes": run.notes},
            **{"config": run.raw_config, "summary_metrics": run.summary, "createdAt": run.created},
        }

    def project(self, name: str, entityName: str | None = None) -> Object | None:
        place = (entityName or ENTITY, name)
        if place not in self.server.projects:
            return None
        sweeps = [sweep for sweep in self.server.sweeps.values() if (sweep.entity, sweep.project) == place]
        run = lambda name, missingOk=True: self.run(self.server.runs.get("/".join((*place, name))))  # noqa: E731

        def runs(filters=None, order=None, first=None, after=None):
            return page([self.run(run) for run in self.runs_of(*place, filters, order)], first, after)

        def membership(name):
            collection, _, alias = name.partition(":")
            return self.membership(self.versions(*place, collection), alias or "latest")

        def views(viewType=None, viewName=None, userName=None, first=None, after=None):
            mine = [view for view in self.server.views.values() if (view["entityName"], view["projectName"]) == place]
            wanted = {"type": viewType, "name": viewName}
            found = [self.view(view) for view in mine if all(view[k] == v for k, v in wanted.items() if v)]
            return page(found, first, after)

        def artifact_type(name):
            in_type = [self.versions(*place, each) for each in self.collections(*place)]
            nodes = [self.collection(versions) for versions in in_type if versions[0].type == name]
            return {
                **{"__typename": "ArtifactType", "id": name, "name": name, "description": None, "createdAt": now()},
                "artifactCollection": lambda name: self.collection(self.versions(*place, name)),
                "artifactCollections": lambda first=None, after=None, **_: page(nodes, first, after),
            }

        return {
            **{"__typename": "Project", "id": "/".join(place), "name": name, "entityName": place[0], "user": self.user},
            **{"internalId": str(1 + self.server.projects.index(place)), "entity": {"id": place[0], "name": place[0]}},
            **{"createdAt": now(), "isBenchmark": False, "readOnly": False, "description": None, "access": "PRIVATE"},
            **{"views": "{}", "runs": runs, "run": run, "bucket": run},
            "runCount": lambda filters=None: len(self.runs_of(*place, filters)),
            "sweep": lambda sweepName: self.sweep(self.server.sweeps.get(sweepName)),
            "sweeps": lambda filters=None, first=None, after=None: page([self.sweep(s) for s in sweeps], first, after),
            "totalSweeps": len(sweeps),
            "artifact": lambda name: (membership(name) or {"artifact": None})["artifact"],
            "artifactCollection": lambda name: self.collection(self.versions(*place, name)),
            "artifactCollectionMembership": membership,
            "artifactType": artifact_type,
            "allViews": views,
        }

    def run(self, run: StubRun | None) -> Object | None:
        if run is None:
            return None
        lines, system = run.text(HISTORY), run.text(SYSTEM)
        names = {name for line in run.history for name in line}
        last = max((line["_step"] for line in run.history), default=-1)

        def own(keys):
            """Return W&B's own part of the config: without it, the run was made known but never began."""
            found = run.raw_config.get("_wandb", {"value": {}})["value"]
            return json.dumps({key: found[key] for key in keys if key in found}) if found else None

        def history(minStep=0, maxStep=math.inf, samples=None):
            return [json.dumps(line) for line in run.history if minStep <= line["_step"] < maxStep][:samples]

        def sampled(keys, minStep=0, maxStep=math.inf, samples=None):
            found = [line for line in run.history if minStep <= line["_step"] <= maxStep]
            return [{key: line[key] for key in keys} for line in found if all(key in line for key in keys)][:samples]

        def files(names=None, pattern=None, first=None, after=None):
            chosen = [name for name in run.files if not names or name in names]
            like = (pattern or "%").replace("%", "*")
            nodes = [self.file(name, run.files[name]) for name in chosen if fnmatch.fnmatchcase(name, like)]
            return page(nodes, first, after)

        return {
            **{"__typename": "Run", "id": run.storage_id, "name": run.id, "displayName": run.display_name},
            **{"tags": run.tags, "group": run.group, "jobType": run.job_type, "notes": run.notes, "state": run.state},
            **{"sweepName": run.sweep, "exitcode": run.exit_code, "createdAt": run.created, "heartbeatAt": now()},
            **{"description": run.notes, "commit": None, "readOnly": False, "user": self.user, "shouldStop": False},
            **{"failed": run.state == "failed", "running": run.state == "running", "stopped": False},
            **{"config": json.dumps(run.raw_config), "summaryMetrics": json.dumps(run.summary)},
            **{"systemMetrics": (system or ["{}"])[-1], "wandbConfig": own},
            **{"historyLineCount": len(lines), "eventsLineCount": len(system), "logLineCount": len(run.text(CONSOLE))},
            **{"historyTail": json.dumps(lines[-1:]), "eventsTail": json.dumps(system[-1:])},
            **{"historyKeys": {"keys": {name: {} for name in sorted(names)}, "lastStep": last, "sets": []}},
            "history": history,
            "sampledHistory": lambda specs: [sampled(**json.loads(spec)) for spec in specs],
            "events": lambda samples=None: system,
            "files": files,
            **{"parquetHistory": lambda liveKeys: {"parquetUrls": [], "liveData": []}, "fileCount": len(run.files)},
            "project": lambda: self.project(run.project, run.entity),
            "projectId": lambda: self.project(run.project, run.entity)["internalId"],
            "outputArtifacts": lambda first=None, after=None: page(
                [self.artifact(a) for a in run.logged], first, after
            ),
            "inputArtifacts": lambda first=None, after=None: page([self.artifact(a) for a in run.used], first, after),
        }

    def file(self, name: str, content: bytes) -> Object:
        digest = hashlib.md5(content)
        url = self.server.keep(content)
        return {
            **{"__typename": "File", "id": name, "name": name, "displayName": name, "directUrl": url, "mimetype": None},
            **{"url": lambda upload=False: url, "sizeBytes": len(content), "updatedAt": now(), "storagePath": name},
            **{"md5": digest.hexdigest(), "digest": base64.b64encode(digest.digest()).decode()},
        }

    def sweep(self, sweep: StubSweep | None) -> Object | None:
        if sweep is None:
            return None
        runs = [run for run in self.runs_of(sweep.entity, sweep.project) if run.sweep == sweep.name]
        metric = sweep.config.get("metric", {}).get("name")
        losses = [run.summary[metric] for run in runs if metric in run.summary]
        best = max if sweep.config.get("metric", {}).get("goal") == "maximize" else min
        return {
            **{"__typename": "Sweep", "id": sweep.id, "name": sweep.name, "displayName": sweep.display_name},
            **{"method": sweep.config.get("method"), "state": sweep.state, "config": yaml.safe_dump(sweep.config)},
            **{"description": sweep.config.get("description"), "bestLoss": best(losses, default=None)},
            **{"createdAt": sweep.created, "updatedAt": None, "heartbeatAt": None, "earlyStopJobRunning": False},
            **{"runCount": len(runs), "runCountExpected": None, "controller": None, "scheduler": None},
            **{"controllerRunName": None, "agents": lambda: page([])},
            "runs": lambda first=None, after=None: page([self.run(run) for run in runs], first, after),
            "project": lambda: self.project(sweep.project, sweep.entity),
        }

    def view(self, view: Object | None) -> Object | None:
        if view is None:
            return None
        project = lambda: self.project(view["projectName"], view["entityName"])  # noqa: E731
        told = {"description": None, "updatedAt": now(), "user": self.user, **view}
        return {"__typename": "View", **told, "project": project}

    def versions(self, entity: str, project: str, collection: str) -> list[StubArtifact]:
        place = (entity, project, collection)
        committed = [artifact for artifact in self.server.artifacts if artifact.version is not None]
        return [found for found in committed if (found.entity, found.project, found.collection) == place]

    def collections(self, entity: str, project: str) -> list[str]:
        found = [a for a in self.server.artifacts if (a.entity, a.project) == (entity, project)]
        return sorted({artifact.collection for artifact in found if artifact.version is not None})

    def collection(self, versions: list[StubArtifact], of: StubArtifact | None = None) -> Object | None:
        """Return a collection from its versions; one that has none yet from the version that will be its first."""
        if not (one := next(iter(versions), of)):
            return None
        nodes = [self.artifact(version) for version in versions]

        def artifacts(first=None, after=None, order=None, filters=None):
            found = page(nodes[::-1], first, after)
            return found | {
                "edges": [edge | {"version": f"v{edge['node']['versionIndex']}"} for edge in found["edges"]]
            }

        return {
            **{"__typename": "ArtifactSequence", "id": new_id("ArtifactSequence"), "name": one.collection},
            **{"description": None, "createdAt": one.created, "updatedAt": None, "tags": page([])},
            **{"defaultArtifactType": {"name": one.type}, "digestAlgorithm": None},
            "project": lambda: self.project(one.project, one.entity),
            "latestArtifact": nodes[-1] if nodes else None,
            "artifacts": artifacts,
            "artifactMembership": lambda aliasName: self.membership(versions, aliasName),
        }

    def membership(self, versions: list[StubArtifact], alias: str) -> Object | None:
        found = [version for version in versions if alias in {f"v{version.version}", *version.aliases}]
        if not found:
            return None
        one = self.artifact(found[-1])
        nodes = [self.file(name, content) for name, content in found[-1].files.items()]

        def files(names=None, first=None, after=None):
            return page([node for node in nodes if not names or node["name"] in names], first, after)

        return {
            **{
                "__typename": "ArtifactCollectionMembership",
                "id": new_id("Membership"),
                "createdAt": found[-1].created,
            },
            **{"versionIndex": found[-1].version, "aliases": one["aliases"], "artifact": one, "files": files},
            "artifactCollection": lambda: self.collection(versions),
        }

    def artifact(self, artifact: StubArtifact) -> Object:
        versions = self.versions(artifact.entity, artifact.project, artifact.collection)
        collection = lambda: self.collection(versions, artifact)  # noqa: E731
        alias = {"__typename": "ArtifactAlias", "artifactCollection": collection}
        return {
            **{"__typename": "Artifact", "id": artifact.id, "artifactSequence": collection, "state": artifact.state},
            **{"versionIndex": artifact.version, "artifactType": {"name": artifact.type}, "digest": artifact.digest},
            **{"description": artifact.description, "metadata": json.dumps(artifact.metadata), "historyStep": None},
            **{"ttlDurationSeconds": -2, "ttlIsInherited": True, "commitHash": None, "createdAt": artifact.created},
            **{"size": sum(map(len, artifact.files.values())), "fileCount": len(artifact.files), "updatedAt": None},
            **{"aliases": [alias | {"id": name, "alias": name} for name in sorted(artifact.aliases)]},
            **{"tags": [{"__typename": "Tag", "id": name, "name": name} for name in artifact.tags]},
            "currentManifest": lambda: {
                "file": {"directUrl": self.server.keep(json.dumps(artifact.manifest).encode())}
            },
            "createdBy": lambda: self.run(artifact.run),
            "usedBy": lambda: page([self.run(run) for run in artifact.used_by]),
            "artifactMemberships": lambda: page([self.membership(versions, f"v{artifact.version}")]),
        }

    # what is changed

    def run_by(self, name: str, project: str, entity: str | None = None) -> StubRun:
        key = f"{entity or ENTITY}/{project}/{name}"
        if key not in self.server.runs:
            raise UnknownField(f"run {key}, which is not there")
        return self.server.runs[key]

    def need_project(self, name: str | None, entity: str | None) -> tuple[str, str]:
        place = (entity or ENTITY, name or "uncategorized")
        if place not in self.server.projects:
            self.server.projects.append(place)
        return place

    def do_upsertModel(self, told: Object) -> Object:
        entity, name = self.need_project(told["name"], told.get("entityName"))
        return {"project": self.project(name, entity), "model": self.project(name, entity), "inserted": True}

    def do_upsertBucket(self, told: Object) -> Object:
        inserted = False
        given = {name: value for name, value in told.items() if value is not None}
        if "id" in given:
            (run,) = [run for run in self.server.runs.values() if run.storage_id == given["id"]]
        else:
            place = self.need_project(given.get("modelName"), given.get("entityName"))
            fresh = StubRun(*place, given.get("name") or secrets.token_hex(4))
            run = self.server.runs.setdefault(f"{place[0]}/{place[1]}/{fresh.id}", fresh)
            inserted = run is fresh
        if "name" in given:  # what a client says that begins or resumes it
            run.state, run.exit_code = "running", None
        for name, attribute in {
            **{"displayName": "display_name", "groupName": "group", "jobType": "job_type", "notes": "notes"},
            **{"sweep": "sweep", "tags": "tags", "state": "state"},
        }.items():
            if name in given:
                setattr(run, attribute, given[name])
        if "config" in given:
            run.raw_config = json.loads(given["config"])
        if "summaryMetrics" in given:
            run.lines[SUMMARY] = {0: given["summaryMetrics"]}
        run.display_name = run.display_name or run.id
        return {"bucket": self.run(run), "inserted": inserted}

    def do_deleteRun(self, told: Object) -> Object:
        runs = self.server.runs
        runs.update({key: runs.pop(key) for key, run in list(runs.items()) if run.storage_id != told["id"]})
        return {"clientMutationId": None}

    def do_createRunFiles(self, told: Object) -> Object:
        run = self.run_by(told["runName"], told["projectName"], told.get("entityName"))
        place = "/".join((run.entity, run.project, run.id))
        files = [{"name": name, "uploadUrl": self.server.url_of("run", place, name)} for name in told["files"]]
        return {"runID": run.storage_id, "uploadHeaders": [], "files": files}

    def do_notifyScriptableRunAlert(self, told: Object) -> Object:
        self.server.alerts.append(told)
        return {"success": True}

    def do_createCustomChart(self, told: Object) -> Object:
        self.server.charts[f"{told['entity']}/{told['name']}"] = told
        return {"chart": {"id": f"{told['entity']}/{told['name']}"}}

    def do_upsertView(self, told: Object) -> Object:
        entity, project = self.need_project(told["projectName"], told.get("entityName"))
        inserted = not told.get("id")
        view = told | {"id": told.get("id") or new_id("View"), "entityName": entity, "projectName": project}
        self.server.views[view["id"]] = view | {"createdAt": now()}
        return {"view": self.view(self.server.views[view["id"]]), "inserted": inserted}

    def do_upsertSweep(self, told: Object) -> Object:
        place = self.need_project(told.get("projectName"), told.get("entityName"))
        known = [sweep for sweep in self.server.sweeps.values() if sweep.id == told.get("id")]
        sweep = known[0] if known else StubSweep(*place)
        self.server.sweeps[sweep.name] = sweep
        if told.get("config"):
            sweep.config = yaml.safe_load(told["config"])
        sweep.state = told.get("state") or sweep.state
        sweep.display_name = told.get("displayName") or sweep.display_name
        if filters := told.get("priorRunsFilters"):
            for run in self.runs_of(sweep.entity, sweep.project, filters):
                run.sweep = sweep.name
        return {"sweep": self.sweep(sweep), "configValidationWarnings": []}

    def do_createArtifact(self, told: Object) -> Object:
        place = self.need_project(told["projectName"], told["entityName"])
        collection = (told.get("artifactCollectionNames") or [told.get("artifactCollectionName")])[0]
        run = self.run_by(told["runName"], place[1], place[0]) if told.get("runName") else None
        same = [one for one in self.versions(*place, collection) if one.digest == told["digest"]]
        artifact = same[0] if same else StubArtifact(*place, told["artifactTypeName"], collection, told["digest"], run)
        artifact.client_id = told.get("clientID") or artifact.client_id
        artifact.description = told.get("description") or artifact.description
        artifact.metadata = json.loads(told.get("metadata") or "{}") or artifact.metadata
        artifact.tags = [tag["tagName"] for tag in told.get("tags") or []] or artifact.tags
        if not same:
            self.server.artifacts.append(artifact)
        if run and artifact not in run.logged:
            run.logged.append(artifact)
        self.name_version(artifact, {each["alias"] for each in told.get("aliases") or []})
        return {"__typename": "CreateArtifactPayload", "artifact": self.artifact(artifact)}

    def name_version(self, artifact: StubArtifact, aliases: set[str]) -> None:
        """Give a version aliases, which others of its collection lose."""
        for other in self.versions(artifact.entity, artifact.project, artifact.collection):
            other.aliases -= aliases
        artifact.aliases |= aliases

    def do_createArtifactManifest(self, told: Object) -> Object:
        url = self.server.url_of("manifest", self.artifact_by("id", told["artifactID"]).id)
        file = {"id": new_id("File"), "uploadUrl": url, "uploadHeaders": []}
        return {"artifactManifest": {"id": told["artifactID"], "file": file}}

    def do_updateArtifactManifest(self, told: Object) -> Object:
        return self.do_createArtifactManifest({"artifactID": told["artifactManifestID"]})

    def do_createArtifactFiles(self, told: Object) -> Object:
        nodes = []
        for spec in told["artifactFiles"]:
            url = self.server.url_of("blob", base64.b64decode(spec["md5"]).hex())
            nodes.append(
                {"storagePath": spec["name"], "uploadUrl": url, "uploadHeaders": [], "uploadMultipartUrls": None}
                | {"artifact": {"id": spec["artifactID"]}}
            )
        return {"files": page(nodes)}

    def do_commitArtifact(self, told: Object) -> Object:
        artifact = self.artifact_by("id", told["artifactID"])
        if artifact.state != "COMMITTED":
            versions = self.versions(artifact.entity, artifact.project, artifact.collection)
            for path, entry in artifact.manifest["contents"].items():
                if not entry.get("ref"):
                    artifact.files[path] = self.server.blobs[base64.b64decode(entry["digest"]).hex()]
            self.name_version(artifact, artifact.aliases | {"latest"})
            artifact.state, artifact.version = "COMMITTED", len(versions)
        return {"artifact": self.artifact(artifact)}

    def do_updateArtifact(self, told: Object) -> Object:
        artifact = self.artifact_by("id", told["artifactID"])
        if told.get("metadata"):
            artifact.metadata = json.loads(told["metadata"])
        artifact.description = told.get("description") or artifact.description
        return {"artifact": self.artifact(artifact)}

    def do_addAliases(self, told: Object) -> Object:
        artifact = self.artifact_by("id", told["artifactID"])
        self.name_version(artifact, {each["alias"] for each in told["aliases"]})
        return {"success": True}

    def do_useArtifact(self, told: Object) -> Object:
        artifact = self.artifact_by("id", told["artifactID"])
        run = self.run_by(told["runName"], told["projectName"], told.get("entityName"))
        if artifact not in run.used:
            run.used.append(artifact)
            artifact.used_by.append(run)
        return {"artifact": self.artifact(artifact)}


@dataclass(frozen=True)
class Fault:
    """What the server does instead of answering, once `after` more requests that `only` is part of were answered."""

    kind: str
    after: int = 0
    only: str = ""
    status: int = 500
    seconds: float = 0


class StubServer:
    """A server at `url`, with what it has. Use it as a context, or close it."""

    def __init__(self) -> None:
        self.runs: dict[str, StubRun] = {}
        self.artifacts: list[StubArtifact] = []
        self.sweeps: dict[str, StubSweep] = {}
        self.alerts: list[Object] = []
        self.charts: dict[str, Object] = {}
        self.views: dict[str, Object] = {}
        self.blobs: dict[str, bytes] = {}
        self.projects: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.answers = Answers(self)
        self.lock = threading.RLock()
        self._fault: Fault | None = None
        self._counted = 0
        self._released = threading.Event()
        self._connections: set[socket.socket] = set()
        self._http: ThreadingHTTPServer | None = None
        self._port = 0
        self._listen()

    @property
    def url(self) -> str:
        """Where the client finds it."""
        return f"http://127.0.0.1:{self._port}"

    def url_of(self, *parts: str) -> str:
        """Return the address of something that is stored."""
        return "/".join([self.url, "storage", *(quote(part, safe="") for part in parts)])

    def keep(self, content: bytes) -> str:
        """Keep a file's bytes, and return where they can be fetched."""
        name = hashlib.md5(content).hexdigest()
        self.blobs[name] = content
        return self.url_of("blob", name)

    # faults

    def refuse(self, status: int = 500, after: int = 0, only: str = "") -> None:
        """Answer with an error. A request is `POST PATH OPERATION`; with `only`, those that have it in them."""
        self._begin(Fault("refuse", after, only, status=status))

    def hang(self, after: int = 0, only: str = "") -> None:
        """Never answer, until `recover`."""
        self._begin(Fault("hang", after, only))

    def slow(self, seconds: float, after: int = 0, only: str = "") -> None:
        """Answer late."""
        self._begin(Fault("slow", after, only, seconds=seconds))

    def die(self, after: int = 0) -> None:
        """Cut all connections and listen no more, at once or after some more requests."""
        self._begin(Fault("die", after))
        if not after:
            self._stop()

    def recover(self) -> None:
        """Be well again, at the same address."""
        self._fault = None
        self._released.set()
        if self._http is None:
            self._listen()

    def close(self) -> None:
        """Be gone for good."""
        self._fault = Fault("die")
        self._released.set()
        self._stop()

    def __enter__(self) -> StubServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _begin(self, fault: Fault) -> None:
        self._released.clear()
        self._counted, self._fault = 0, fault

    def _listen(self) -> None:
        handler = type("Handler", (_Handler,), {"stub": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def _stop(self) -> None:
        with self.lock:
            http, self._http = self._http, None
        if http:
            http.shutdown()
            http.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def fault_of(self, request: str) -> Fault | None:
        """Return what is wrong with the server as it hears a request."""
        with self.lock:
            fault = self._fault
            if fault is None or fault.only not in request:
                return None
            self._counted += 1
            return fault if self._counted > fault.after else None

    # answers

    def graphql(self, body: Object) -> Object:
        """Answer an operation; one that is unknown, or asks for what is unknown, with an error."""
        with self.lock:
            try:
                operation = Operation(body["query"], body.get("variables") or {})
                root = self.answers.query if operation.kind == "query" else self.answers.mutation
                return {"data": operation.answer(root)}
            except (UnknownField, TypeError, KeyError, ValueError) as error:
                self.unknown.append(f"{body.get('operationName') or body['query'][:80]}: {error!r}")
                return {"errors": [{"message": f"the stub does not know {error}"}]}

    def stream(self, run: StubRun, body: Object) -> Object:
        """Take part of a run's file stream: each line has its place, so that one sent twice is there once."""
        with self.lock:
            for name, part in body.get("files", {}).items():
                lines = run.lines.setdefault(name, {})
                lines.update(enumerate(part["content"], part["offset"]))
            if body.get("complete"):
                run.exit_code = body["exitcode"]
                run.state = "failed" if run.exit_code else "finished"
            return {"exitcode": None, "limits": {}}

    def store(self, parts: list[str], content: bytes) -> None:
        """Take a file that is sent to an address of `url_of`."""
        with self.lock:
            if parts[0] == "run":
                self.runs[parts[1]].files[parts[2]] = content
            elif parts[0] == "manifest":
                self.answers.artifact_by("id", parts[1]).manifest = json.loads(content)
            else:
                self.blobs[parts[1]] = content


class _Handler(BaseHTTPRequestHandler):
    stub: StubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.stub._connections.add(self.connection)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that leaves without a word
            super().handle()

    def finish(self) -> None:
        self.stub._connections.discard(self.connection)
        super().finish()

    def log_message(self, *args: Any) -> None:
        """Say nothing: pytest shows what the client says."""

    def reply(self, status: int, content: Any = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    def handle_request(self) -> None:
        body, path = self.body(), urlsplit(self.path).path
        asked = json.loads(body) if path == "/graphql" else {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", asked.get("query", ""))
        request = " ".join([self.command, path, *(found.groups() if found else ())])
        stub = self.stub
        stub.requests.append(request)
        fault = stub.fault_of(request)
        match fault and fault.kind:
            case "refuse":
                return self.reply(fault.status, {"error": "refused"})
            case "slow":
                time.sleep(fault.seconds)
            case "hang" | "die":
                if fault.kind == "die":
                    threading.Thread(target=stub._stop, daemon=True).start()
                else:
                    stub._released.wait()
                self.close_connection = True
                return None
        return self.answer(path, body, asked)

    do_GET = do_POST = do_PUT = handle_request

    def answer(self, path: str, body: bytes, asked: Object) -> None:
        stub, parts = self.stub, [unquote(part) for part in path.split("/")[1:]]
        match self.command, parts:
            case "POST", ["graphql"]:
                return self.reply(200, stub.graphql(asked))
            case "POST", ["files", *place, "file_stream"] if "/".join(place) in stub.runs:
                return self.reply(200, stub.stream(stub.runs["/".join(place)], json.loads(body)))
            case "PUT", ["storage", *rest]:
                stub.store(rest, body)
                return self.reply(200)
            case "GET", ["storage", "blob", name] if name in stub.blobs:
                return self.reply(200, stub.blobs[name])
        stub.unknown.append(f"{self.command} {path}")
        return self.reply(404, {"error": "not found"})
