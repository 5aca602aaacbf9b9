"""One wrong value at a time in everything that is read from a folder: each verb answers, or refuses in a line.

Here a sample is tried; `python -m tests.faults.test_fuzzed_records --all` tries every value at every place (an hour).
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from analysis.cli import main
from studies.errors import StudyError
from tests.faults.shared_root import SEARCHED, make

RAW = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "fraction": "0.5",
    "int beyond float": "1" + "0" * 400,
    "digits beyond Python's limit": "9" * 5000,
    "int beyond 64 bits": str(2**63),
    "huge float": "1e308",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "empty": '""',
    "word": '"x"',
    "number as text": '"1"',
    "surrogate": r'"\ud800"',
    "escape": r'"\u001b[2J\u0000\n"',
    "long": '"' + "a" * 100_000 + '"',
    "path": '"../../../etc/passwd"',
    "list": "[]",
    "list of lists": "[[]]",
    "list of numbers": "[1, 2]",
    "list of null": "[null]",
    "object": "{}",
    "object of null": '{"": null}',
    "deep": "[" * 100_000 + "]" * 100_000,
}
"""JSON values that are no more than one field's."""
WHOLE = {
    "nothing": b"",
    "null": b"null\n",
    "number": b"5\n",
    "list": b"[]\n",
    "object": b"{}\n",
    "list of null": b"[null]\n",
    "NUL": b"\0" * 100 + b"\n",
    "no text": b"\xff\xfe{}\n",
    "byte order mark": b"\xef\xbb\xbf{}\n",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "blank lines": b"\n\n\n",
    "digits": b"9" * 5000 + b"\n",
}
"""Whole files."""
MARK = "@@here@@"
MOST_LINES = 40
"""On stderr; a line a run at most."""


class Change(NamedTuple):
    """A file, what was done to it, and what it holds then; None for a folder in its place."""

    file: str
    what: str
    content: bytes | None


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each value within `data` is, containers too; of a long list the first and the last are enough."""
    if path:
        yield path
    if isinstance(data, dict):
        for name in data:
            yield from places(data[name], (*path, name))
    elif isinstance(data, list):
        for at in sorted({0, len(data) - 1} & set(range(len(data)))):
            yield from places(data[at], (*path, at))


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return `data` with another value at `path`; without it where the value is `...`."""
    data = copy.deepcopy(data)
    *way, last = path
    inner = data
    for step in way:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return data


def changes(name: str, path: Path) -> Iterator[Change]:
    """Yield every change of a file."""
    whole = path.read_bytes()
    for what, content in WHOLE.items():
        yield Change(name, f"is {what}", content)
    yield Change(name, "is a folder", None)
    yield Change(name, "is torn", whole[: len(whole) // 2])
    if path.suffix not in (".json", ".jsonl", ".journal"):
        return
    lines = [whole.decode()] if path.suffix == ".json" else whole.decode().splitlines(keepends=True)
    seen = set()
    for number, line in enumerate(lines):
        data = json.loads(line)
        kind = data.get("op_code") if isinstance(data, dict) else None
        if kind is not None and kind in seen and number not in (0, len(lines) - 1):
            continue  # of each kind of entry of a journal one will do
        seen.add(kind)
        for way in places(data):
            around = [*lines]
            where = f"line {number + 1}: {'.'.join(map(str, way))}"
            around[number] = json.dumps(put(data, way, ...)) + "\n"
            yield Change(name, f"{where} is gone", "".join(around).encode())
            for what, raw in RAW.items():
                around[number] = json.dumps(put(data, way, MARK)).replace(f'"{MARK}"', raw) + "\n"
                yield Change(name, f"{where} is {what}", "".join(around).encode())


READERS = {
    "status": ["status", "asked.py"],
    "status --json": ["status", "asked.py", "--json"],
    "status of all": ["status"],
    "plan": ["plan", "asked.py"],
    "plan --json": ["plan", "asked.py", "--json"],
    **{
        f"table {form}": ["table", "asked.py", "--format", form]
        for form in ("text", "md", "tex", "csv", "html", "json")
    },
    "table --runs": ["table", "asked.py", "--runs"],
    "table ruled": ["table", "ruled.py"],
    "plot": ["plot", "asked.py", "curves", "seeds"],
    "report": ["report", "asked.py"],
    "seeds": ["seeds", "asked.py"],
    "seeds ruled": ["seeds", "ruled.py"],
    "status ruled": ["status", "ruled.py"],
    "factors": ["factors", "asked.py"],
    **{
        f"explain {row}": ["explain", "asked.py", row, *form]
        for row, form in (("sum 2", ()), ("max 4", ()), ("max 4", ("--json",)))
    },
    "verify": ["verify", "asked.py"],
    "verify all": ["verify"],
    "verify --json": ["verify", "asked.py", "--json"],
    "verify --table": ["verify", "asked.py", "--table", "table.json"],
    "bundle": ["bundle", "asked.py", "--partial", "-o", "bundle.tar.gz"],
    "run": ["run", "asked.py", "--wandb", "off", "--devices", "cpu:1"],
    "run --retry": ["run", "asked.py", "--wandb", "off", "--devices", "cpu:1", "--retry", "failed"],
    "search": ["search", "space.py", *SEARCHED, "--wandb", "off", "--devices", "cpu:1"],
    "search --json": ["search", "space.py", *SEARCHED, "--wandb", "off", "--devices", "cpu:1", "--json"],
    "reproduce": ["reproduce", "KEY"],
    "export": ["export", "KEY", "-o", "weights.pt", "--unfinished"],
    "export model": ["export", "model", "-o", "weights.pt"],
    "inspect": ["inspect", "KEY"],
}
"""Verbs and what they are asked."""
SLOW = {"plot": 0.02, "report": 0.01, "bundle": 0.01}
"""How often those of a second and more are tried, beside the others."""
OF = {
    "journal": ("run", "run --retry", "search", "search --json", "bundle"),
    "rule": ("table ruled", "seeds ruled", "status ruled", "table text", "table json", "status", "bundle"),
    "slurm": ("status", "status --json"),
    "table": ("verify --table",),
    "counts": ("plan", "table text", "table json"),
    "model run.json": ("export model",),
    "model manifest.json": ("export model",),
    "place": ("run", "search", "status"),
    "stop": ("run", "status", "explain max 4"),
    "log": ("explain max 4",),
}
"""Which verbs read a file, where few do."""


def drawn(draw: random.Random, change: Change, count: int) -> list[str]:
    """Return some of the verbs that read the file of a change."""
    every = OF.get(change.file, [name for name in READERS if name not in {"export model", "verify --table"}])
    return [*dict.fromkeys(draw.choices(every, [SLOW.get(name, 1.0) for name in every], k=count))]


@contextmanager
def refused(patched: str) -> Iterator[None]:
    """Let nothing be trained where it would be."""
    with patch(patched, side_effect=StudyError("would train now")):
        yield


@contextmanager
def shared(home: Path) -> Iterator[dict[str, Path]]:
    """Make the runs folder and go there; nothing is trained meanwhile, and no child process is begun."""
    before, path = Path.cwd(), os.environ["PATH"]
    os.chdir(home)
    try:
        with ExitStack() as stack:
            for patched in (
                "studies.engine.run_study.forkserver",
                "studies.search.run_search.forkserver",
                "studies.workers.retrain.retrain",
            ):
                stack.enter_context(refused(patched))
            stack.enter_context(refused("analysis.cli.verbs.inspect.compute"))
            yield make(home)
    finally:
        os.environ["PATH"] = path
        os.chdir(before)


class Answer(NamedTuple):
    """What a verb said, and the exception that nobody caught."""

    code: int | None
    said: str
    where: str


def call(verb: str, files: dict[str, Path], name: str) -> Answer:
    """Call a verb on the run whose file was changed."""
    key = (
        files[name].parent.name
        if name.split(maxsplit=1)[0] in ("new", "old", "failed", "interrupted")
        else files["old run.json"].parent.name
    )
    arguments = [key if word == "KEY" else word for word in READERS[verb]]
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
    except SystemExit as error:
        return Answer(int(error.code or 0), err.getvalue(), "")
    except Exception as error:
        ours = [f for f in traceback.extract_tb(error.__traceback__) if any(p in f.filename for p in OURS)]
        last = ours[-1] if ours else None
        at = f"{'/'.join(Path(last.filename).parts[-3:])}:{last.lineno} {last.name}" if last else "?"
        return Answer(None, f"{type(error).__name__}: {str(error)[:100]!r}", f"{type(error).__name__} at {at}")
    return Answer(code, err.getvalue(), "")


OURS = ("/lightning_bam/", "/studies/", "/analysis/")


def wrong(answer: Answer) -> str:
    """Say what is wrong with an answer; empty where nothing is."""
    if answer.code is None:
        return answer.where
    if answer.code not in (0, 1, 2, 3):
        return f"exit code {answer.code}"
    if "Traceback" in answer.said:
        return "a traceback on stderr"
    if len(lines := answer.said.splitlines()) > MOST_LINES:
        return f"{len(lines)} lines on stderr"
    if answer.code == 2 and not answer.said.strip():
        return "refused without a word"
    if len(answer.said) > 20_000:
        return "a line without an end on stderr"
    return ""


@contextmanager
def changed(path: Path, change: Change) -> Iterator[None]:
    """Have a file changed for a while, and then all of its run folder, if it is in one, as it was."""
    backup, home = path.with_name(f"{path.name}.kept"), path.parent
    whole = home.with_name(f".{home.name}.whole") if (home / "run.json").exists() else None
    if whole is not None:
        shutil.copytree(home, whole)
    path.rename(backup)
    try:
        if change.content is None:
            path.mkdir()
        else:
            path.write_bytes(change.content)
        yield
    finally:
        if whole is not None:
            shutil.rmtree(home)
            whole.rename(home)
        else:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            backup.rename(path)


def attack(files: dict[str, Path], change: Change, verb: str) -> tuple[str, str]:
    """Return what is wrong with a verb's answer to a change, and what it said."""
    journal = files["journal"].read_bytes() if change.file != "journal" else b""
    with changed(files[change.file], change):
        answer = call(verb, files, change.file)
    if journal:
        files["journal"].write_bytes(journal)
    return wrong(answer), answer.said


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    with shared(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.mark.parametrize("verb", READERS)
def test_every_verb_reads_the_record_as_it_is(files, verb):
    assert call(verb, files, "old run.json").where == ""


@pytest.mark.parametrize("part", range(4))
def test_no_verb_breaks_on_a_wrong_value(files, part):
    every = [change for name in files for change in changes(name, files[name])]
    draw = random.Random(part)
    for change in draw.sample(every, 30):  # `python -m tests.faults.test_fuzzed_records` tries thousands
        for verb in drawn(draw, change, 1):
            said, line = attack(files, change, verb)
            assert not said, f"{change.file} {change.what}: bam {verb}: {said}: {line}"


def run(count: int, verbs: int, only: str) -> int:
    """Try `count` changes, each with `verbs` of the verbs that read the file, and print where one breaks."""
    found: dict[str, list[str]] = defaultdict(list)
    draw, tried = random.Random(0), 0
    with tempfile.TemporaryDirectory() as home:
        os.environ["BAM_CACHE"] = f"{home}/cache"
        with shared(Path(home).resolve()) as files:
            every = [change for name in files for change in changes(name, files[name]) if only in name]
            for change in draw.sample(every, min(count, len(every))):
                for verb in drawn(draw, change, verbs):
                    tried += 1
                    said, line = attack(files, change, verb)
                    if said:
                        found[said].append(f"{change.file} {change.what}: bam {verb}: {line[:200]}")
    for said, where in sorted(found.items(), key=lambda item: -len(item[1])):
        print(f"{len(where):5}  {said}\n           {where[0]}")
    broken = {line.rpartition(": bam ")[2].split()[0].rstrip(":") for where in found.values() for line in where}
    total = sum(map(len, found.values()))
    print(f"{tried} calls on {len(every)} changes; {len(found)} distinct of {total} in verbs {sorted(broken)}")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every value at every place")
    parser.add_argument("--count", type=int, default=1000, help="of so many changes, at random (1000)")
    parser.add_argument("--verbs", type=int, default=2, help="with so many of the verbs that read the file (2)")
    parser.add_argument("--only", default="", help="files with this in their name")
    told = parser.parse_args()
    sys.exit(run(sys.maxsize if told.all else told.count, told.verbs, told.only))
