"""What a shell offers behind a Tab: verbs, options, studies, presets, rows, knobs, keys of runs and topics."""

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from analysis.cli.parser import Parser, Verb


def complete(parser: Parser) -> None:
    """Write what may stand at the cursor to the shell that asks, and leave."""
    import argcomplete

    verbs = parser.verbs()
    for word in os.environ.get("COMP_LINE", "").split()[1:]:
        if word in verbs:
            _prepare(verbs[word])
            break
    argcomplete.autocomplete(parser, always_complete_options="long")


def _prepare(verb: Verb) -> None:
    """Give a verb its arguments, and those what completes them: argcomplete sees only what is there beforehand."""
    from argcomplete.completers import FilesCompleter

    files = FilesCompleter(("py",))

    def named(prefix: str, **more: Any) -> list[str]:
        return [*_studies(verb.prog.endswith("search")), *files(prefix=prefix, **more)]

    by_name: dict[str, Callable[..., Iterable[str]]] = {
        "study": named,
        "space": named,
        "preset": _presets,
        "set": lambda **_: _knobs(),
        "only": _rows,
        "against": _labels,
        "row": _labels,
        "run": _keys,
        "topic": lambda **_: _topics(),
    }
    verb.add_arguments()
    for action in verb.arguments():
        if action.dest in by_name:
            action.completer = by_name[action.dest]  # type: ignore[attr-defined]  # argcomplete's own way


def _studies(search: bool) -> list[str]:
    from studies.library import catalogue, spaces

    return sorted(spaces() if search else catalogue())


def _named(parsed: argparse.Namespace) -> list[Any]:
    """Return the catalogue's studies or spaces that the call names; a file is not run for a Tab."""
    from studies.library import catalogue, spaces

    names = getattr(parsed, "study", None) or getattr(parsed, "space", None) or []
    every: dict[str, Any] = {**spaces(), **catalogue()}
    return [every[name] for name in ([names] if isinstance(names, str) else names) if name in every]


def _presets(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return sorted({preset for study in _named(parsed_args) for preset in study.presets})


def _labels(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return sorted({row for study in _named(parsed_args) for row in getattr(study, "rows", ())})


def _rows(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return [f"row={row}" for row in _labels(parsed_args)] + _knobs()


def _knobs() -> list[str]:
    from lightning_bam.config import knobs

    return [f"{name}=" for name in sorted(knobs())]


def _keys(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    return sorted(file.parent.name for file in Path(parsed_args.root).glob("*/run.json"))


def _topics() -> list[str]:
    from analysis.cli.manual import topics

    return [*topics()]
