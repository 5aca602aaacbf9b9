"""A bundle for blind review: nothing in it says who made it, where, or on which machine.

What is written down about a run is kept by a list of what may stay; what the user wrote cannot be rewritten, and is
refused where it names somebody.
"""

from __future__ import annotations

import builtins
import os
import platform
import pwd
import re
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from analysis.bundle.archive import Content
from analysis.provenance.explanation import ATTEMPT
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.hashes import ANONYMISED, SEALED, seal
from studies.records.records import Record

COUNTED: Final = ("state", "cause", "rank", "sha256", "losses", "retries", "tried_again", "nonce")
STAYS: Final = (frozenset(SEALED) | frozenset(ATTEMPT) | frozenset(COUNTED)) - {"host"}
"""Entries of a manifest that stay; errors and tracebacks go, for they hold paths."""
ANYBODY: Final = ("root", "user", "ubuntu", "debian", "admin", "docker", "jovyan", "runner", "localhost")
"""Names of users and hosts that name nobody."""
NEWLINE: Final = b"\n"
LOOKS: Final = (
    (re.compile(rb"[\w.+-]+@[\w-]+\.[\w.-]+"), "like an e-mail address"),
    (re.compile(rb"(?<![\w.:/<>*)\]}!])(?:~|/[\w.+-]+)(?:/[\w.+-]+)+"), "like an absolute path"),
)
"""What is let through in no file that the user wrote: paths of two parts at least, from the root or somebody's home."""
TRAINED: Final = ((re.compile(rb"/[\w.+/ -]*/checkpoints(?:/last\.ckpt)?"), "where the run was trained"),)
"""What is let through in no checkpoint: Lightning keeps in each the path that it was written to."""


def manifest(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's manifest without what tells where it was trained; it says so, and its own hash is made anew."""
    kept = {name: entry for name, entry in noted.items() if name in STAYS}
    if isinstance(kept.get("attempts"), list):
        kept["attempts"] = [_attempt(one) for one in kept["attempts"]]
    kept[ANONYMISED] = True
    if isinstance(kept.get("sha256"), dict):
        kept["sha256"] = kept["sha256"] | {"manifest.json": seal(kept)}
    return kept


def _attempt(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attempt without where it was made; that it failed stays, but for the error's own words."""
    kept = {name: entry for name, entry in made.items() if name in STAYS}
    return kept | ({"failed": made.get("cause") or "error"} if "failed" in made else {})


def who(records: Iterable[Record]) -> dict[str, str]:
    """Return what names the user or a machine: text -> what it is."""
    user = pwd.getpwuid(os.getuid())
    found = {
        user.pw_name: "a user name",
        os.environ.get("USER", ""): "a user name",
        user.pw_gecos.partition(",")[0]: "a user's name",
        os.environ.get("WANDB_ENTITY", ""): "a W&B entity",
        _git("user.name"): "a user's name",
    }
    hosts = {platform.node(), socket.getfqdn()}
    for record in records:
        for made in (record.manifest, *(record.manifest.get("attempts") or ())):
            hosts.add(str(made.get("host") or ""))
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
    found[_git("user.email")] = "an e-mail address"
    return {text: what for text, what in found.items() if len(text) > 2}


def refuse(files: Mapping[str, Content], named: Mapping[str, str], placed: Mapping[str, str]) -> None:
    """Refuse a bundle that tells who made it.

    Args:
        files: what is to go into it, by name; in a Python file, which the user wrote, no name, address or absolute path
            is let through.
        named: what names the user or a machine.
        placed: what tells where the work lies, which is let through nowhere.

    Raises:
        FolderError: a file that does, with the first line of it and how many more there are.

    """
    everywhere = [(_pattern(text), what) for text, what in placed.items()]
    own = [*everywhere, *((_pattern(text), what) for text, what in named.items()), *LOOKS]
    looks = [*everywhere, *TRAINED]
    found: dict[tuple[str, int], str] = {}
    for name, content in sorted(files.items()):
        data = content if isinstance(content, bytes) else content.read_bytes()
        for pattern, what in own if name.endswith(".py") else looks if name.endswith(".ckpt") else everywhere:
            for match in pattern.finditer(data):
                line = data.count(NEWLINE, 0, match.start()) + 1
                text = match.group().decode(errors="replace")
                found.setdefault((name, line), f"{name}, line {line}: {text!r} is {what}")
    if found:
        first, *others = (found[place] for place in sorted(found))
        rest = f" (and {len(others)} more: {'; '.join(others[:5])})" if others else ""
        raise FolderError(f"not anonymous: {first}{rest}; take it out")


def _pattern(text: str) -> re.Pattern[bytes]:
    """Return what finds a text that is no part of a longer word."""
    before = b"(?<![a-z0-9])" if text[0].isalnum() else b""
    return re.compile(before + re.escape(text.encode()) + b"(?![a-z0-9])", re.IGNORECASE)


def _git(*words: str, at: Path | None = None) -> str:
    """Return what git's settings say; empty without git, or where they say nothing."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(at or Path.cwd()), "config", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return ""
