"""A bundle for blind review: nothing in it says who made it, where, or on which machine.

What is written down about a run is kept by a list of what may stay; what the user wrote cannot be rewritten, and is
refused where it names somebody.
"""

from __future__ import annotations

import builtins
import html
import json
import os
import platform
import pwd
import re
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from analysis.bundle.archive import Content
from analysis.provenance.explanation import ATTEMPT
from lightning_bam.run_folder.files import FolderError, object_text
from lightning_bam.run_folder.hashes import ANONYMISED, SEALED, hash_text, seal
from lightning_bam.run_folder.manifest import Manifest
from studies.records.records import Record

COUNTED: Final = ("state", "cause", "rank", "sha256", "losses", "retries", "tried_again", "nonce")
STAYS: Final = (frozenset(SEALED) | frozenset(ATTEMPT) | frozenset(COUNTED)) - {"host"}
"""Entries of a manifest that stay; errors and tracebacks go, for they hold paths."""
ANYBODY: Final = ("root", "user", "ubuntu", "debian", "admin", "docker", "jovyan", "runner", "localhost")
"""Names of users and hosts that name nobody."""
ELSEWHERE: Final = "another study"
"""What a study that is not bundled is called, where `bam verify` has to tell that runs were begun under its rule."""
NEWLINE: Final = b"\n"
LOOKS: Final = (
    (re.compile(rb"[\w.+-]+@[\w-]+\.[\w.-]+"), "like an e-mail address"),
    (re.compile(rb"(?<![\w.:/<>*)\]}!])(?:~|/[\w.+-]+)(?:/[\w.+-]+)+"), "like an absolute path"),
)
"""What is let through in no file that the user wrote: paths of two parts at least, from the root or somebody's home."""
PICTURE: Final = re.compile(rb"(?<=base64,)[\w+/=]+")
TRAINED: Final = ((re.compile(rb"/[\w.+/ -]*/checkpoints(?:/last\.ckpt)?"), "where the run was trained"),)
"""What is let through in no checkpoint: Lightning keeps in each the path that it was written to."""


@dataclass(frozen=True, kw_only=True)
class Blind:
    """What stands in a bundle for what would tell who made it.

    A commit is found by a search, and with it whose repository it is of. So each is a number: which runs were trained
    by the same one still shows, and the version stays, for whoever trains them again.

    Attributes:
        label: of the study that is bundled; other studies are not named.
        commits: commit -> its number.
        rules: seal of a stopping rule -> that of the rule as it is in the bundle.

    """

    label: str
    commits: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, manifest: Manifest) -> dict[str, Any]:
        """Return a run's manifest without what tells where it was trained; it says so, and its hash is made anew."""
        kept = self._made(manifest.entries)
        if isinstance(kept.get("attempts"), list):
            kept["attempts"] = [self._attempt(one) for one in kept["attempts"]]
        if isinstance(kept.get("studies"), dict):
            kept["studies"] = self._studies(kept["studies"])
        kept[ANONYMISED] = True
        if isinstance(kept.get("sha256"), dict):
            kept["sha256"] = kept["sha256"] | {"manifest.json": seal(kept)}
        return kept

    def _studies(self, begun: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Return for what a run was begun, as far as that is this study; of another one only that it has a rule."""
        if self.label not in begun:
            ruled = any("rule" in told for told in begun.values())
            return {ELSEWHERE: {"rule": "left out"}} if ruled else {}
        told = dict(begun[self.label])
        return {self.label: told | ({"rule": self.rules.get(told["rule"], told["rule"])} if "rule" in told else {})}

    def _attempt(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """Return an attempt without where it was made; that it failed stays, but for the error's own words."""
        return self._made(made) | ({"failed": made.get("cause") or "error"} if "failed" in made else {})

    def _made(self, told: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: entry for name, entry in told.items() if name in STAYS}
        return kept | ({"commit": self.commits.get(kept["commit"], kept["commit"])} if "commit" in kept else {})


def blind(label: str, records: Iterable[Record], ruled: Mapping[str, Content]) -> tuple[Blind, dict[str, Content]]:
    """Return what hides who made a bundle, and its declared rules with it.

    Args:
        label: of the study that is bundled.
        records: of all the runs that go into it.
        ruled: the declared rules that do, by name.

    """
    rules = {name: json.loads(content) for name, content in ruled.items() if isinstance(content, bytes)}
    manifests = [record.manifest for record in records]
    environments = [*manifests, *(one for manifest in manifests for one in manifest.attempts)]
    made = [*(rule.get("commit") for rule in rules.values()), *(one.commit for one in environments)]
    found = {commit: commit.partition("+") for commit in made if isinstance(commit, str)}
    heads = sorted({head for head, *_ in found.values() if head})
    numbers = {head: str(number) for number, head in enumerate(heads, 1)}
    commits = {commit: numbers.get(head, "") + plus + sources for commit, (head, plus, sources) in found.items()}
    hidden = {name: rule | {"commit": commits.get(rule.get("commit"))} for name, rule in rules.items()}
    seals = {_sealed(rule): _sealed(hidden[name]) for name, rule in rules.items()}
    shown: dict[str, Content] = {name: object_text(rule).encode() for name, rule in hidden.items()}
    return Blind(label=label, commits=commits, rules=seals), shown


def _sealed(rule: Mapping[str, Any]) -> str:
    return hash_text(json.dumps(rule, sort_keys=True))


def who(records: Iterable[Record]) -> dict[str, str]:
    """Return what names the user or a machine: text -> what it is."""
    user = pwd.getpwuid(os.getuid())
    found = {
        user.pw_name: "a user name",
        os.environ.get("USER", ""): "a user name",
        user.pw_gecos.partition(",")[0]: "a user's name",
        os.environ.get("WANDB_ENTITY", ""): "a W&B entity",
        **dict.fromkeys(_identity("user.name", "GIT_AUTHOR_NAME"), "a user's name"),
    }
    hosts = {platform.node(), socket.getfqdn()}
    for record in records:
        hosts |= {made.host or "" for made in (record.manifest, *record.manifest.attempts)}
    found |= dict.fromkeys(hosts | {host.partition(".")[0] for host in hosts}, "a host")
    common = {*ANYBODY, *vars(builtins)}
    return {text: what for text, what in found.items() if len(text) > 2 and text.lower() not in common}


def where(root: Path, file: Path | None) -> dict[str, str]:
    """Return what tells where the work lies: text -> what it is.

    Args:
        root: the runs folder.
        file: the study's own, if it is no study of the catalogue.

    """
    found = {str(Path.home()): "a home folder", str(root.resolve()): "the runs folder", str(Path.cwd()): "a folder"}
    if file is not None:
        found[str(file.resolve().parent)] = "the study's folder"
        for line in _git("--get-regexp", r"^remote\..*\.url$", at=file.resolve().parent).splitlines():
            found[line.partition(" ")[2]] = "a repository's address"
    found |= dict.fromkeys(_identity("user.email", "GIT_AUTHOR_EMAIL"), "an e-mail address")
    return {text: what for text, what in found.items() if len(text) > 2}


def refuse(files: Mapping[str, Content], named: Mapping[str, str], placed: Mapping[str, str]) -> None:
    """Refuse a bundle that tells who made it.

    Args:
        files: what is to go into it, by name; in a text no name is let through, and in a Python file, which the user
            wrote, no address or absolute path either.
        named: what names the user or a machine; a word of our own names nobody in what we have written.
        placed: what tells where the work lies, which is let through nowhere.

    Raises:
        FolderError: a file that does, with the first line of it and how many more there are.

    """
    everywhere = [(_pattern(text), what) for text, what in placed.items()]
    names = {text: (_pattern(text), what) for text, what in named.items()}
    written = [*everywhere, *(found for text, found in names.items() if text.lower() not in _our_words())]
    own = [*everywhere, *names.values(), *LOOKS]
    looks = [*everywhere, *TRAINED]
    found: dict[tuple[str, int], str] = {}
    for name, content in sorted(files.items()):
        data = content if isinstance(content, bytes) else content.read_bytes()
        if name.endswith(".html"):
            data = PICTURE.sub(b"", data)  # in so many letters there is every short name
        for pattern, what in own if name.endswith(".py") else looks if name.endswith(".ckpt") else written:
            for match in pattern.finditer(data):
                line = data.count(NEWLINE, 0, match.start()) + 1
                text = match.group().decode(errors="replace")
                found.setdefault((name, line), f"{name}, line {line}: {text!r} is {what}")
    if found:
        first, *others = (found[place] for place in sorted(found))
        rest = f" (and {len(others)} more: {'; '.join(others[:5])})" if others else ""
        raise FolderError(f"not anonymous: {first}{rest}; take it out")


@cache
def _our_words() -> frozenset[str]:
    """Return the words of our own sources, from which every page that we write is made."""
    home = Path(__file__).parent.parent.parent
    rooms = (home / name for name in ("analysis", "studies", "lightning_bam"))
    texts = (path.read_text(encoding="utf-8").lower() for room in rooms for path in room.rglob("*.py"))
    return frozenset(word for text in texts for word in re.findall(r"[a-z0-9]+", text))


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
