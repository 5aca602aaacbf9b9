"""The manual: its tables are those of the specs, its links and commands are true, and `bam help` has all of it."""

from __future__ import annotations

import inspect
import os
import re
import shlex
from dataclasses import MISSING, fields
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from analysis.cli.parser import make_parser
from lightning_bam import BAM, BAMSpec, Recipe
from lightning_bam.config.spec import KINDS, default_of
from tests.test_architecture import HOME

ROOMS = ("lightning_bam", "studies", "analysis")
PAGES = sorted(path for room in ROOMS for path in (HOME / room).glob("*.md"))
SPECS = HOME / "lightning_bam" / "README.md"


def default(field):
    value = default_of(field)
    if value is MISSING:
        return "..."
    if hasattr(value, "kind"):
        return value.kind
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def others(cls, field):
    """Return what else a knob of fixed values may be."""
    hint = get_type_hints(cls)[field.name]
    return [one for one in get_args(hint) if one != default_of(field)] if get_origin(hint) is Literal else []


def meanings(cls):
    """Return what a docstring's `Args:` say of each knob, each in a line."""
    args = inspect.getdoc(cls).partition("Args:\n")[2].split("\n\n")[0]
    return {name: " ".join(text.split()) for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", args, re.M)}


def knob_table(cls, told):
    """Return a line a knob: name, default, other values, meaning."""
    lines = ["| knob | default | else | meaning |", "|---|---|---|---|"]
    for field in fields(cls):
        shown = f"`{default(field)}`" if default(field) not in ("", "{}") else ""
        more = ", ".join(f"`{one}`" for one in others(cls, field))
        lines.append(f"| `{cls.slot}.{field.name}` | {shown} | {more} | {meanings(told)[field.name]} |")
    return "\n".join(lines)


def kind_table(slot, kinds):
    """Return a line a kind: name, class, knobs (the default, then other values), and its docstring's first line."""
    lines = [f"| `{slot}=` | class | knobs | |", "|---|---|---|---|"]
    for kind, cls in kinds.items():
        values = {field.name: "/".join((default(field), *others(cls, field))) for field in fields(cls)}
        knobs = " ".join(f"`{name}={value}`" for name, value in values.items())
        says = inspect.getdoc(cls).partition("\n")[0].removeprefix("Knobs of ")
        lines.append(f"| `{kind}` | `{cls.__name__}` | {knobs if cls is not BAMSpec else 'above'} | {says} |")
    return "\n".join(lines)


def tables():
    slots = ("attention", "placement", "backbone", "dataset")
    own = {"bam": knob_table(BAMSpec, BAM), "recipe": knob_table(Recipe, Recipe)}
    return own | {slot: kind_table(slot, {kind: cls for kind, cls in KINDS[slot].items() if not cls.code}) for slot in slots}


def test_tables_are_those_of_the_specs():
    text = SPECS.read_text()
    for name, table in tables().items():
        block = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end of table -->)", re.DOTALL)
        text, count = block.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
        assert count == 1, name
    if os.environ.get("BAM_UPDATE_GOLDEN"):
        SPECS.write_text(text)
    assert SPECS.read_text() == text
