"""The manual: its tables are those of the specs, its links and commands are true, and `bam help` has all of it."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import tomllib
from contextlib import suppress
from dataclasses import MISSING, fields
from fnmatch import fnmatch
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from analysis.cli import main
from analysis.cli.manual import sections, topics
from analysis.cli.parser import VERBS, make_parser
from lightning_bam import BAM, BAMSpec, Recipe
from lightning_bam.config import knobs
from lightning_bam.config.spec import KINDS, SLOTS, default_of
from studies.library import catalogue, spaces
from tests.test_architecture import HOME, ROOMS

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
    """Return a line a knob: name, values (the default first), meaning."""
    lines = ["| knob | value | meaning |", "|---|---|---|"]
    for field in fields(cls):
        values = ", ".join(f"`{value}`" for value in (default(field), *others(cls, field)))
        lines.append(f"| `{cls.slot}.{field.name}` | {values} | {meanings(told)[field.name]} |")
    return "\n".join(lines)


def kind_table(slot, kinds):
    """Return a line a kind: name, knobs (the default, then other values), class and its docstring's first line."""
    lines = [f"| `{slot}=` | knobs | class |", "|---|---|---|"]
    for kind, cls in kinds.items():
        assert not cls.code, "none of a test's own"
        values = {field.name: "/".join((default(field), *others(cls, field))) for field in fields(cls)}
        knobs = " ".join(f"`{name}={value}`" for name, value in values.items())
        says = inspect.getdoc(cls).partition("\n")[0].removeprefix("Knobs of ")
        lines.append(f"| `{kind}` | {knobs if cls is not BAMSpec else 'above'} | `{cls.__name__}`: {says} |")
    return "\n".join(lines)


def tables():
    slots = ("attention", "placement", "backbone", "dataset")
    own = {"bam": knob_table(BAMSpec, BAM), "recipe": knob_table(Recipe, Recipe)}
    return own | {slot: kind_table(slot, KINDS[slot]) for slot in slots}


def test_tables_are_those_of_the_specs():
    text = SPECS.read_text()
    for name, table in tables().items():
        block = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end of table -->)", re.DOTALL)
        text, count = block.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
        assert count == 1, name
    if os.environ.get("BAM_UPDATE_GOLDEN"):
        SPECS.write_text(text)
    assert SPECS.read_text() == text


def page_id(path):
    return str(path.relative_to(HOME))


def links_of(path):
    return re.findall(r"\]\((?!https://)([^)\s]+)\)", path.read_text())


def check_commands(path, capsys):
    """Fail unless `bam` takes every command of a page."""
    text = path.read_text()
    blocks = re.findall(r"^    (bam .*)$", text, re.MULTILINE)
    whole = [part for line in blocks for part in re.split(r"\s{2,}", line)[0].split(" && ")]
    inline = [" ".join(code.split()) for code in re.findall(r"(?<!`)`(bam [^`]+)`", text)]
    for command in (*whole, *inline):
        try_command(command, capsys, whole=command in whole)


def test_the_first_page_leads_to_files_that_are_there_and_its_commands_are_true(capsys):
    readme = HOME / "README.md"
    assert all((HOME / link).is_file() for link in links_of(readme))
    assert {HOME / link for link in links_of(readme)} >= {*PAGES}, "the manual"
    check_commands(readme, capsys)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
class TestPage:
    def test_links_lead_somewhere(self, path):
        for link in links_of(path):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target in PAGES, link
            assert not anchor or anchor in sections(target.read_text()), link

    def test_paragraphs_are_short(self, path):
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for block in prose.split("\n\n"):
            if not re.match(r"[-|#<]|    ", block):
                assert len(block) <= 750, block

    def test_commands_are_true(self, path, capsys):
        check_commands(path, capsys)


PLACEHOLDER = re.compile(r"[A-Z]+$|.*\.py$")


def try_command(command, capsys, *, whole):
    """Fail unless `bam` takes a command: its verb, options, studies and knobs; one that is no `whole` may lack some."""
    words = shlex.split(command)[1:]
    if words[0] == "VERB" or "..." in words:
        return
    assert words[0] in VERBS, command
    if words[0] == "help" and words[1:] not in ([], ["TOPIC"]):
        assert words[1] in topics(), command
    parsed = None
    with suppress(SystemExit):
        parsed = make_parser().parse_args(words)
    error = capsys.readouterr().err
    assert not error or (not whole and "required" in error), f"{command}: {error}"
    named = getattr(parsed, "study", None) or getattr(parsed, "space", None) or []
    for name in [named] if isinstance(named, str) else named:
        assert PLACEHOLDER.match(name) or name in {**catalogue(), **spaces()}, command
    for name, _ in getattr(parsed, "set", None) or []:
        assert name in {*knobs(), *SLOTS} or name.startswith("recipe.optimizer_options."), command


def test_a_false_command_is_found(capsys):
    for command in (
        "bam tabel quickstart",
        "bam table quikstart",
        "bam plan quickstart --set recipe.epoch=1",
        "bam run",
    ):
        with pytest.raises(AssertionError, match=command.replace(".", r"\.")):
            try_command(command, capsys, whole=True)
    try_command("bam run", capsys, whole=False)


def test_every_section_and_every_page_is_a_topic():
    written = [part for path in PAGES if path.name == "README.md" for part in sections(path.read_text()).values()]
    pages = [path.read_text() for path in PAGES if path.name != "README.md"]
    assert sorted(topic.text for topic in topics().values()) == sorted(written + pages)
    lines = [line for path in PAGES for line in re.findall(r"^- `([\w-]+)`: \[", path.read_text(), re.MULTILINE)]
    assert sorted(lines) == sorted(topics()), "no two sections have one name"


def test_an_installed_package_has_the_pages():
    data = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for path in PAGES:
        assert any(fnmatch(path.name, pattern) for pattern in data[path.parent.name]), path


def test_help_lists_the_topics(capsys):
    assert main(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert {line.split()[0] for line in lines if line and line[0] != " "} >= {*topics()}


@pytest.mark.parametrize("name", topics())
def test_help_prints_a_topic(name, capsys, monkeypatch):
    assert main(["help", name]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "\x1b" not in out
    title = re.match(r"##? (.*)", topics()[name].text)[1]
    assert title in out
    assert "](" not in out
    assert "…" not in out, "nothing is left out"
    assert "<!--" not in out


def test_a_link_becomes_a_command(capsys):
    main(["help", "seeds"])
    assert "stopping rule (bam help stopping)" in " ".join(capsys.readouterr().out.split())


def test_help_for_a_verb_is_its_options(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main(["help", "submit"])
    assert "--gpus-per-worker" in capsys.readouterr().out


def test_an_unknown_topic_is_refused_with_the_nearest(capsys):
    assert main(["help", "verdict"]) == 2
    assert capsys.readouterr().err == "bam: help verdict: no such topic; did you mean 'verdicts'?\n"
