"""A bundle for blind review: nothing in it says who made it, where, or on which machine.

What is written down about a run is kept by a list of what may stay; what the user wrote cannot be rewritten, and is
refused where it names somebody.
"""

import builtins
import html
import json
import os
import platform
import pwd
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from analysis.provenance.explanation import ATTEMPT
from lightning_bam.run_folder.files import FolderError, object_text
from lightning_bam.run_folder.hashes import ANONYMISED, SEALED, hash_text, seal
from lightning_bam.run_folder.manifest import Environment, Manifest
from studies.records.purpose import ASKED
from studies.records.records import Record

COUNTS: Final = ("state", "cause", "rank", "sha256", "losses", "retries", "tried_again", "nonce")
STAYS: Final = (frozenset(SEALED) | frozenset(ATTEMPT) | frozenset(COUNTS)) - {"host"}
"""Entries of a manifest that stay; errors and tracebacks go, for they hold paths."""
ANYBODY: Final = ("root", "user", "ubuntu", "debian", "admin", "docker", "jovyan", "runner", "localhost")
"""Names of users and hosts that name nobody."""
ELSEWHERE: Final = "another study"
"""What a study that is not bundled is called, where `bam verify` has to tell that runs were begun under its rule."""
FORBIDDEN: Final = (
    (re.compile(rb"[\w.+-]+@[\w-]+\.[\w.-]+"), "like an e-mail address"),
    (re.compile(rb"(?<![\w.:/<>*)\]}!])(?:~|/[\w.+-]+)(?:/[\w.+-]+)+"), "like an absolute path"),
)
"""What is let through in no file that the user wrote: paths of two parts at least, from the root or somebody's home."""
PICTURE: Final = re.compile(rb"(?<=base64,)[\w+/=]+")
TRAINED: Final = ((re.compile(rb"/[\w.+/ -]*/checkpoints(?:/last\.ckpt)?"), "where the run was trained"),)
"""What is let through in no checkpoint: Lightning keeps in each the path that it was written to."""


@dataclass(frozen=True, kw_only=True)
class Blind:
    """What stands in a bundle of the study `label` for what would tell who made it.

    `commits` has a number for each commit, since a search for one leads to its repository; `rules` has, for the seal of
    a stopping rule, that of the rule as it is in the bundle.
    """

    label: str
    commits: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, manifest: Manifest) -> dict[str, Any]:
        """Return a run's manifest without what tells where it was trained; it says so, and its hash is made anew."""
        kept = self._entries(manifest.entries)
        if "attempts" in kept:  # that one failed stays, but for the error's own words
            kept["attempts"] = [
                self._entries(one) | ({"failed": one.get("cause") or "error"} if "failed" in one else {})
                for one in kept["attempts"]
            ]
        if studies := kept.get("studies"):
            kept["studies"] = self._studies(studies)
        kept[ANONYMISED] = True
        if hashes := kept.get("sha256"):
            kept["sha256"] = hashes | {"manifest.json": seal(kept)}
        return kept

    def _studies(self, studies: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Return for what a run was begun, as far as that is this study; of another one only that it has a rule."""
        if self.label not in studies:
            return {ELSEWHERE: {"rule": "left out"}} if any("rule" in entry for entry in studies.values()) else {}
        entry = {name: text for name, text in studies[self.label].items() if name != ASKED}  # it names a file
        if "rule" in entry:
            entry["rule"] = self.rules.get(entry["rule"], entry["rule"])
        return {self.label: entry}

    def _entries(self, entries: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: entry for name, entry in entries.items() if name in STAYS}
        return kept | ({"commit": self.commits.get(kept["commit"], kept["commit"])} if "commit" in kept else {})


def blind(label: str, records: Iterable[Record], rules: Mapping[str, bytes]) -> tuple[Blind, dict[str, bytes]]:
    """Return what hides who made a bundle of these records, and its declared rules, hidden likewise, by name."""
    declared = {name: json.loads(content) for name, content in rules.items()}
    every = [*(rule.get("commit") for rule in declared.values()), *(made.commit for made in _attempts(records))]
    parts = {commit: commit.partition("+") for commit in every if isinstance(commit, str)}
    heads = sorted({head for head, *_ in parts.values() if head})
    numbers = {head: str(number) for number, head in enumerate(heads, 1)}
    commits = {commit: numbers.get(head, "") + plus + sources for commit, (head, plus, sources) in parts.items()}
    hidden = {name: rule | {"commit": commits.get(rule.get("commit"))} for name, rule in declared.items()}
    before, after = (
        [hash_text(json.dumps(rule, sort_keys=True)) for rule in part.values()] for part in (declared, hidden)
    )
    texts = {name: object_text(rule).encode() for name, rule in hidden.items()}
    return Blind(label=label, commits=commits, rules=dict(zip(before, after, strict=True))), texts


def _attempts(records: Iterable[Record]) -> Iterator[Environment]:
    """Return each manifest and the attempts in it."""
    for record in records:
        yield record.manifest
        yield from record.manifest.attempts


def who(records: Iterable[Record]) -> dict[str, str]:
    """Return what names the user or a machine: text -> what it is."""
    user = pwd.getpwuid(os.getuid())
    hosts = {platform.node(), socket.getfqdn(), *(made.host or "" for made in _attempts(records))}
    names = {
        user.pw_name: "a user name",
        os.environ.get("USER", ""): "a user name",
        user.pw_gecos.partition(",")[0]: "a user's name",
        os.environ.get("WANDB_ENTITY", ""): "a W&B entity",
        **dict.fromkeys(_identity("user.name", "GIT_AUTHOR_NAME"), "a user's name"),
        **dict.fromkeys(hosts | {host.partition(".")[0] for host in hosts}, "a host"),
    }
    common = {*ANYBODY, *vars(builtins)}
    return {text: what for text, what in names.items() if len(text) > 2 and text.lower() not in common}


def where(root: Path, file: Path | None) -> dict[str, str]:
    """Return what tells where the work lies, the runs folder and the study's own file: text -> what it is."""
    places = {str(Path.home()): "a home folder", str(root.resolve()): "the runs folder", str(Path.cwd()): "a folder"}
    if file is not None:
        home = file.resolve().parent
        places[str(home)] = "the study's folder"
        for line in _git("--get-regexp", r"^remote\..*\.url$", at=home).splitlines():
            places[line.partition(" ")[2]] = "a repository's address"
    places |= dict.fromkeys(_identity("user.email", "GIT_AUTHOR_EMAIL"), "an e-mail address")
    return {text: what for text, what in places.items() if len(text) > 2}


def refuse(files: Mapping[str, bytes | Path], names: Mapping[str, str], places: Mapping[str, str]) -> None:
    """Raise FolderError for a bundle that tells who made it.

    No text may hold a place of `places`, nor a name of `names`, unless it is a word of our own in what we have written.
    A Python file, which the user wrote, may hold no address or absolute path either.
    """
    everywhere = [(_pattern(text), what) for text, what in places.items()]
    by_name = {text: (_pattern(text), what) for text, what in names.items()}
    kinds = {".py": [*everywhere, *by_name.values(), *FORBIDDEN], ".ckpt": [*everywhere, *TRAINED]}
    ours = [*everywhere, *(pattern for text, pattern in by_name.items() if text.lower() not in _our_words())]
    lines: dict[tuple[str, int], str] = {}
    for name, content in sorted(files.items()):
        data = content if isinstance(content, bytes) else content.read_bytes()
        if name.endswith(".html"):
            data = PICTURE.sub(b"", data)  # in so many letters there is every short name
        for pattern, what in kinds.get(Path(name).suffix, ours):
            for match in pattern.finditer(data):
                line = data.count(b"\n", 0, match.start()) + 1
                text = match.group().decode(errors="replace")
                lines.setdefault((name, line), f"{name}, line {line}: {text!r} is {what}")
    if lines:
        first, *others = (lines[place] for place in sorted(lines))
        rest = f" (and {len(others)} more: {'; '.join(others[:5])})" if others else ""
        raise FolderError(f"not anonymous: {first}{rest}; take it out")


@cache
def _our_words() -> frozenset[str]:
    """Return the words of our own sources, from which every page that we write is made."""
    home = Path(__file__).parents[2]
    files = (path for room in ("analysis", "studies", "lightning_bam") for path in (home / room).rglob("*.py"))
    return frozenset(word for path in files for word in re.findall(r"[a-z0-9]+", path.read_text("utf-8").lower()))


def _pattern(text: str) -> re.Pattern[bytes]:
    """Return what finds a text that is no part of a longer word, also as JSON and HTML write it."""
    before = b"(?<![a-z0-9])" if text[0].isalnum() else b""
    forms = dict.fromkeys((text, json.dumps(text)[1:-1], html.escape(text)))
    either = b"|".join(re.escape(form.encode()) for form in forms)
    return re.compile(before + b"(?:" + either + b")(?![a-z0-9])", re.IGNORECASE)


def _identity(setting: str, variable: str) -> set[str]:
    """Return who git takes the user for: here, elsewhere on this machine, and by the environment."""
    return {_git(setting), _git("--global", setting), os.environ.get(variable, "")}


def _git(*words: str, at: Path | None = None) -> str:
    """Return what git's settings say; empty without git, or where they say nothing."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(at or Path.cwd()), "config", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return ""
