"""As much of a W&B server as saved views and reports need: it keeps them, and whatever has no id is a new one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = "lab"
PAGE = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
USER = {"id": "u", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": {"edges": []}}
PROJECT = {"id": "p", "internalId": "7", "name": "tests", "entityName": ENTITY, "createdAt": "2026-01-01T00:00:00Z"}


class ViewServer:
    """`views` has what was saved, by id, as the client sent it; `projects` are those that there are."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.projects = {"tests"}
        self.views: dict[str, dict[str, Any]] = {}
        self.refuses = False

    def reports(self) -> list[dict[str, Any]]:
        """Return the Reports."""
        return [view for view in self.views.values() if view["type"] == "runs"]

    def workspaces(self) -> list[dict[str, Any]]:
        """Return the saved views."""
        return [view for view in self.views.values() if view["type"] == "project-view"]

    def answer(self, query: str, told: dict[str, Any]) -> dict[str, Any]:
        """Return the data of an operation."""
        if "upsertView" in query:
            return {"upsertView": {"view": self._save(told), "inserted": not told.get("id")}}
        if "allViews" in query:
            return {"project": self._views(told)}
        if "models" in query:
            rest = {"isBenchmark": False, "user": None, "__typename": "Project"}
            edges = [{"node": PROJECT | rest | {"name": name}, "cursor": name} for name in sorted(self.projects)]
            return {"models": {"edges": edges, "pageInfo": PAGE}}
        assert "viewer" in query, query
        return {"viewer": USER}

    def _save(self, told: dict[str, Any]) -> dict[str, Any]:
        known = told.get("id") or f"view{len(self.views)}"
        assert told.get("id") is None or known in self.views
        self.views[known] = {**told, "id": known}
        return self._node(self.views[known]) | {"project": PROJECT, "type": told["type"]}

    def _views(self, told: dict[str, Any]) -> dict[str, Any] | None:
        if told.get("projectName", told.get("project")) not in self.projects:
            return None
        kind, name = told.get("viewType", "runs"), told.get("viewName")
        found = [view for view in self.views.values() if view["type"] == kind and name in (None, view["name"])]
        return {"allViews": {"edges": [{"node": self._node(view), "cursor": "1"} for view in found], "pageInfo": PAGE}}

    @staticmethod
    def _node(view: dict[str, Any]) -> dict[str, Any]:
        told = {name: view[name] for name in ("id", "name", "displayName", "description", "spec")}
        return told | {"user": None, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"}


@contextmanager
def serving() -> Iterator[ViewServer]:
    """Serve in a thread of this process until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, data = 200, {"data": server.answer(asked["query"], asked.get("variables") or {})}
            if server.refuses and "viewer" not in asked["query"]:
                status, data = 403, {"errors": [{"message": "permission\x1b[31m denied\nfor all"}]}
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = ViewServer(f"http://127.0.0.1:{http.server_port}")
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield server
        http.shutdown()
