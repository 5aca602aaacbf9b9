"""A server for W&B's real client, in this process: it answers what the client sends, and keeps it for a test to see.

`StubServer` has what a server would have (`runs`, `artifacts`, `sweeps`, `alerts`, `charts`, `views`), what was asked
of it in vain (`unknown`, which a test wants empty), and faults on demand (`refuse`, `hang`, `slow`, `die`, `recover`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests.studies.tracking.answers import ENTITY, Answers
from tests.studies.tracking.graphql import Operation, UnknownField
from tests.studies.tracking.stored import Object, StubArtifact, StubRun, StubSweep

__all__ = ["ENTITY", "StubServer"]


@dataclass
class Fault:
    """What the server does instead of answering, once `after` more requests that `only` is part of were `heard`."""

    kind: str
    after: int = 0
    only: str = ""
    status: int = 500
    seconds: float = 0
    heard: int = 0


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
        self.faults: dict[str, Fault] = {}
        self._released = threading.Event()
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
        """Answer with an error; with `only`, those requests that have it in them, which may have faults of their own.

        A request is `POST PATH OPERATION NAME`, where the name is a run's.
        """
        self._begin(Fault("refuse", after, only, status=status))

    def hang(self, after: int = 0, only: str = "") -> None:
        """Never answer, until `recover`."""
        self._begin(Fault("hang", after, only))

    def slow(self, seconds: float, after: int = 0, only: str = "") -> None:
        """Answer late."""
        self._begin(Fault("slow", after, only, seconds=seconds))

    def die(self, after: int = 0) -> None:
        """Listen and answer no more, at once or after some more requests."""
        self._begin(Fault("die", after))
        if not after:
            self._stop()

    def recover(self, only: str | None = None) -> None:
        """Be well again, at the same address; with `only`, for these requests."""
        if only is not None:
            del self.faults[only]
            return
        self.faults = {}
        self._released.set()
        if self._http is None:
            self._listen()

    def close(self) -> None:
        """Be gone for good."""
        self.faults = {"": Fault("die")}
        self._released.set()
        self._stop()

    def __enter__(self) -> StubServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _begin(self, fault: Fault) -> None:
        self._released.clear()
        self.faults[fault.only] = fault

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

    def fault_of(self, request: str) -> Fault | None:
        """Return what is wrong with the server as it hears a request."""
        with self.lock:
            for fault in self.faults.values():
                if fault.only in request:
                    fault.heard += 1
                    return fault if fault.heard > fault.after else None
            return None

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

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that leaves without a word
            super().handle()

    def log_message(self, *args: Any) -> None:
        """Say nothing: pytest shows what the client says."""

    def reply(self, status: int, content: Any = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self) -> None:
        body, path = self.rfile.read(int(self.headers.get("Content-Length") or 0)), urlsplit(self.path).path
        asked = json.loads(body) if path == "/graphql" else {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", asked.get("query", ""))
        request = " ".join([self.command, path, *(found.groups() if found else ())])
        stub = self.stub
        stub.requests.append(request)
        fault = stub.fault_of(f"{request} {(asked.get('variables') or {}).get('name', '')}")
        match fault and fault.kind:
            case "refuse":
                return self.reply(fault.status, {"error": "refused"})
            case "slow":
                time.sleep(fault.seconds)
            case "hang" | "die":
                if fault.kind == "die":
                    stub._stop()
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
