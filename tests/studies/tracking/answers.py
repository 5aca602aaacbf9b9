"""What the stub's GraphQL gives for each object and mutation, from what the server has."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml

from tests.studies.tracking.graphql import UnknownField
from tests.studies.tracking.stored import (
    CONSOLE,
    HISTORY,
    SUMMARY,
    SYSTEM,
    Object,
    StubArtifact,
    StubRun,
    StubSweep,
    look_up,
    matches,
    new_id,
    now,
)

if TYPE_CHECKING:
    from tests.studies.tracking.server import StubServer

ENTITY = "lab"
"""Whose the API key is, and with it what names no entity."""

FEATURES = (
    "CLIENT_IDS",
    "LARGE_FILENAMES",
    "ARTIFACT_TAGS",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "SWEEPS_QUERY_FILTERING",
)


def page(nodes: list[Object], first: int | None = None, after: str | None = None) -> Object:
    """Return a page of a connection, from after a cursor."""
    begin = int(after or 0)
    end = len(nodes) if first is None else begin + first
    edges = [{"node": node, "cursor": str(place + 1)} for place, node in enumerate(nodes)]
    info = {"__typename": "PageInfo", "endCursor": str(min(end, len(nodes))), "hasNextPage": end < len(nodes)}
    return {"edges": edges[begin:end], "pageInfo": info, "totalCount": len(nodes)}


def node(kind: str, stored: Any = None, **fields: Any) -> Object:
    """Return an object of GraphQL: what is stored by GraphQL's names, and more fields."""
    found: Object = {"__typename": kind}
    for name, value in vars(stored).items() if stored else ():
        first, *more = name.split("_")
        found[first + "".join(map(str.title, more))] = value
    return found | fields


def nothing(*names: str) -> Object:
    """Return fields that are asked for and that nobody fills."""
    return dict.fromkeys(names)


class Answers:
    """The two roots: `query` and `mutation`."""

    def __init__(self, server: StubServer):
        self.server = server
        user = {"name": "Ann", "username": "ann", "email": "ann@example.org", "entity": ENTITY, "flags": "{}"}
        teams = {"teams": page([{"name": ENTITY}]), "apiKeys": page([]), "admin": False}
        self.user = node("User", id=new_id("User"), **user, **teams, **nothing("deletedAt", "photoUrl"))
        features = [{"name": name, "isEnabled": True} for name in FEATURES]
        self.query = node(
            "Query",
            viewer=self.user,
            serverInfo={"features": features},
            project=self.project,
            model=self.project,
            models=self.projects,
            entity=lambda name: {"id": name, "name": name, "organization": None},
            artifact=lambda **told: self.artifact(self.artifact_by("id", told["id"])),
            clientIDMapping=lambda clientID: {"serverID": self.artifact_by("client_id", clientID).id},
            view=lambda **told: self.view(server.views.get(told["id"])),
        )
        changes = [name for name in dir(self) if name.startswith("do_")]
        self.mutation = node("Mutation", **{name[3:]: self.with_input(getattr(self, name)) for name in changes})

    @staticmethod
    def with_input(change: Callable[[Object], Object]) -> Callable[..., Object]:
        return lambda **arguments: change(arguments["input"])

    # what there is

    def artifact_by(self, name: str, value: str) -> StubArtifact:
        for artifact in self.server.artifacts:
            if getattr(artifact, name) == value:
                return artifact
        raise UnknownField(f"an artifact with {name} {value!r}, which is not there")

    def run_by(self, name: str, project: str, entity: str | None = None) -> StubRun:
        key = f"{entity or ENTITY}/{project}/{name}"
        if key not in self.server.runs:
            raise UnknownField(f"run {key}, which is not there")
        return self.server.runs[key]

    def runs_of(self, entity: str, project: str, filters: str | None = None, order: str | None = None) -> list[StubRun]:
        query = json.loads(filters or "{}")
        runs = [run for run in self.server.runs.values() if (run.entity, run.project) == (entity, project)]
        runs = [run for run in runs if matches(run.document, query)]
        if order and not order.endswith("created_at"):
            values = {run: look_up(run.document, order.lstrip("+-")) for run in runs}
            runs = sorted((run for run in runs if values[run] is not None), key=values.__getitem__)
        return runs[::-1] if (order or "").startswith("-") else runs

    def versions(self, entity: str, project: str, collection: str) -> list[StubArtifact]:
        place = (entity, project, collection)
        committed = [artifact for artifact in self.server.artifacts if artifact.version is not None]
        return [found for found in committed if (found.entity, found.project, found.collection) == place]

    def projects(self, entityName: str = ENTITY, first: int | None = None, after: str | None = None) -> Object:
        names = [name for entity, name in self.server.projects if entity == entityName]
        return page([self.project(name, entityName) for name in names], first, after)

    def project(self, name: str, entityName: str | None = None) -> Object | None:
        place = (entityName or ENTITY, name)
        if place not in self.server.projects:
            return None
        sweeps = [sweep for sweep in self.server.sweeps.values() if (sweep.entity, sweep.project) == place]

        def run(name, missingOk=True):
            return self.run(self.server.runs.get("/".join((*place, name))))

        def runs(filters=None, order=None, first=None, after=None):
            return page([self.run(run) for run in self.runs_of(*place, filters, order)], first, after)

        def collection(name):
            return self.collection(self.versions(*place, name))

        def membership(name):
            collection, _, alias = name.partition(":")
            return self.membership(self.versions(*place, collection), alias or "latest")

        def views(viewType, viewName=None, userName=None, first=None, after=None):
            mine = [view for view in self.server.views.values() if (view["entityName"], view["projectName"]) == place]
            found = [view for view in mine if view["type"] == viewType and viewName in {None, view["name"]}]
            return page([self.view(view) for view in found], first, after)

        return node(
            "Project",
            **{"id": "/".join(place), "internalId": str(1 + self.server.projects.index(place)), "name": name},
            **{"entityName": place[0], "entity": {"id": place[0], "name": place[0]}, "user": self.user},
            **{"createdAt": now(), "isBenchmark": False, "readOnly": False},
            **{"run": run, "bucket": run, "runs": runs, "allViews": views},
            runCount=lambda filters=None: len(self.runs_of(*place, filters)),
            sweep=lambda sweepName: self.sweep(self.server.sweeps.get(sweepName)),
            sweeps=lambda filters=None, first=None, after=None: page([self.sweep(s) for s in sweeps], first, after),
            totalSweeps=len(sweeps),
            artifact=lambda name: (membership(name) or {"artifact": None})["artifact"],
            artifactType=lambda name: node("ArtifactType", name=name, artifactCollection=collection),
            artifactCollection=collection,
            artifactCollectionMembership=membership,
        )

    def run(self, run: StubRun | None) -> Object | None:
        if run is None:
            return None
        lines, system = run.text(HISTORY), run.text(SYSTEM)

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
            like = (pattern or "%").replace("%", "*")
            chosen = [name for name in run.files if (not names or name in names) and fnmatch.fnmatchcase(name, like)]
            return page([self.file(name, run.files[name]) for name in chosen], first, after)

        def artifacts(chosen):
            return lambda first=None, after=None: page([self.artifact(each) for each in chosen], first, after)

        return node(
            "Run",
            run,
            **{"id": run.storage_id, "name": run.id, "sweepName": run.sweep, "description": run.notes},
            **{"config": json.dumps(run.raw_config), "summaryMetrics": json.dumps(run.summary), "wandbConfig": own},
            **{"systemMetrics": (system or ["{}"])[-1], "heartbeatAt": now(), "readOnly": False, "commit": None},
            **{"historyLineCount": len(lines), "eventsLineCount": len(system), "logLineCount": len(run.text(CONSOLE))},
            **{"historyTail": json.dumps(lines[-1:]), "eventsTail": json.dumps(system[-1:])},
            historyKeys={"lastStep": max((line["_step"] for line in run.history), default=-1)},
            history=history,
            sampledHistory=lambda specs: [sampled(**json.loads(spec)) for spec in specs],
            parquetHistory=lambda liveKeys: {"parquetUrls": [], "liveData": []},
            events=lambda samples=None: system,
            **{"files": files, "fileCount": len(run.files), "user": self.user},
            **{"inputArtifacts": artifacts(run.used), "outputArtifacts": artifacts(run.logged)},
            project=lambda: self.project(run.project, run.entity),
            projectId=lambda: self.project(run.project, run.entity)["internalId"],
        )

    def file(self, name: str, content: bytes) -> Object:
        url, md5 = self.server.keep(content), hashlib.md5(content).hexdigest()
        where = {"directUrl": url, "url": lambda upload=False: url, "storagePath": name}
        more = {"sizeBytes": len(content), "md5": md5, "updatedAt": now(), **nothing("mimetype", "digest")}
        return node("File", id=name, name=name, displayName=name, **where, **more)

    def sweep(self, sweep: StubSweep | None) -> Object | None:
        if sweep is None:
            return None
        runs = [run for run in self.runs_of(sweep.entity, sweep.project) if run.sweep == sweep.name]
        metric = sweep.config.get("metric", {})
        best = max if metric.get("goal") == "maximize" else min
        losses = [run.summary[metric["name"]] for run in runs if metric.get("name") in run.summary]
        told = {name: sweep.config.get(name) for name in ("method", "description")}
        return node(
            "Sweep",
            sweep,
            **told,
            **{"config": yaml.safe_dump(sweep.config), "bestLoss": best(losses, default=None), "runCount": len(runs)},
            **nothing("updatedAt", "runCountExpected"),
            project=lambda: self.project(sweep.project, sweep.entity),
        )

    def view(self, view: Object | None) -> Object | None:
        if view is None:
            return None
        project = {"project": lambda: self.project(view["projectName"], view["entityName"])}
        return node("View", **view, **project, user=self.user)

    def collection(self, versions: list[StubArtifact], first: StubArtifact | None = None) -> Object | None:
        """Return a collection from its versions; one that has none yet from the version that will be its first."""
        if not (one := next(iter(versions), first)):
            return None
        nodes = [self.artifact(version) for version in versions]

        def artifacts(first=None, after=None, order=None, filters=None):
            found = page(nodes[::-1], first, after)
            for edge in found["edges"]:
                edge["version"] = f"v{edge['node']['versionIndex']}"
            return found

        return node(
            "ArtifactSequence",
            **{"id": f"{one.project}/{one.collection}", "name": one.collection, "artifacts": artifacts},
            project=lambda: self.project(one.project, one.entity),
            latestArtifact=nodes[-1] if nodes else None,
            artifactMembership=lambda aliasName: self.membership(versions, aliasName),
        )

    def membership(self, versions: list[StubArtifact], alias: str) -> Object | None:
        found = [version for version in versions if alias in {f"v{version.version}", *version.aliases}]
        if not found:
            return None
        one = self.artifact(found[-1])
        nodes = [self.file(name, content) for name, content in found[-1].files.items()]

        def files(fileNames=None, names=None, first=None, after=None):
            return page([node for node in nodes if not names or node["name"] in names], first, after)

        return node(
            "ArtifactCollectionMembership",
            **{name: one[name] for name in ("id", "versionIndex", "aliases", "createdAt")},
            **{"artifact": one, "files": files},
            artifactCollection=lambda: self.collection(versions),
        )

    def artifact(self, artifact: StubArtifact) -> Object:
        versions = self.versions(artifact.entity, artifact.project, artifact.collection)
        collection = {"artifactCollection": lambda: self.collection(versions)}
        aliases = sorted(artifact.aliases)
        return node(
            "Artifact",
            artifact,
            **{"versionIndex": artifact.version, "artifactType": {"name": artifact.type}},
            **{"size": sum(map(len, artifact.files.values())), "fileCount": len(artifact.files)},
            **{"metadata": json.dumps(artifact.metadata), "ttlDurationSeconds": -2, "ttlIsInherited": True},
            **nothing("historyStep", "commitHash", "updatedAt"),
            aliases=[node("ArtifactAlias", id=alias, alias=alias, **collection) for alias in aliases],
            tags=[node("Tag", id=tag, name=tag) for tag in artifact.tags],
            artifactSequence=lambda: self.collection(versions, artifact),
            currentManifest=lambda: {"file": {"directUrl": self.server.keep(json.dumps(artifact.manifest).encode())}},
            createdBy=lambda: self.run(artifact.run),
            usedBy=lambda: page([self.run(run) for run in artifact.used_by]),
        )

    # what is changed

    def need_project(self, name: str | None, entity: str | None) -> tuple[str, str]:
        place = (entity or ENTITY, name or "uncategorized")
        if place not in self.server.projects:
            self.server.projects.append(place)
        return place

    def do_upsertBucket(self, told: Object) -> Object:
        inserted = False
        given = {name: value for name, value in told.items() if value is not None}
        if "id" in given:
            (run,) = [run for run in self.server.runs.values() if run.storage_id == given["id"]]
        else:
            fresh = StubRun(*self.need_project(given.get("modelName"), given.get("entityName")), given["name"])
            run = self.server.runs.setdefault("/".join((fresh.entity, fresh.project, fresh.id)), fresh)
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
        # who does not resume a run writes it anew, from its first line on: "overwrites", as W&B's documentation has it
        return {"bucket": self.run(run) | {"historyLineCount": 0}, "inserted": inserted}

    def do_deleteRun(self, told: Object) -> Object:
        (key,) = [key for key, run in self.server.runs.items() if run.storage_id == told["id"]]
        del self.server.runs[key]
        return nothing("clientMutationId")

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
        name = told.get("id") or new_id("View")
        inserted = name not in self.server.views
        more = {"id": name, "entityName": entity, "projectName": project, "createdAt": now(), "updatedAt": now()}
        self.server.views[name] = told | more
        return {"view": self.view(self.server.views[name]), "inserted": inserted}

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

    def do_createArtifactFiles(self, told: Object) -> Object:
        nodes = [
            {"storagePath": spec["name"], "artifact": {"id": spec["artifactID"]}, "uploadMultipartUrls": None}
            | {"uploadUrl": self.server.url_of("blob", base64.b64decode(spec["md5"]).hex()), "uploadHeaders": []}
            for spec in told["artifactFiles"]
        ]
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

    def do_useArtifact(self, told: Object) -> Object:
        artifact = self.artifact_by("id", told["artifactID"])
        run = self.run_by(told["runName"], told["projectName"], told.get("entityName"))
        if artifact not in run.used:
            run.used.append(artifact)
            artifact.used_by.append(run)
        return {"artifact": self.artifact(artifact)}
