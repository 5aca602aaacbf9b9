"""Send a study's saved view and Report to a W&B server, in place of those that it has there."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any, Final, NamedTuple

from analysis.report.page import Made
from analysis.review.library import library
from analysis.review.view import workspace
from analysis.review.written_report import report
from analysis.table.build import Table
from studies.definition.study import Study
from studies.errors import StudyError
from studies.terminal.text import one_line
from studies.tracking.connection import isolated_wandb

REASON: Final = 200
"""Characters of what a server, or W&B, says that a message repeats."""


class Saved(NamedTuple):
    """The addresses of a study's saved view and of its Report."""

    view: str
    report: str


class Pages(NamedTuple):
    """What is saved of the study with this `label`: its view and its report, built without a server."""

    label: str
    view: Any
    report: Any


def pages(study: Study, table: Table, *, methods: str = "", made: Made | None = None) -> Pages:
    """Return a study's view and Report, which no project has yet; a `StudyError` without the package."""
    view, written = workspace(study, table, "", ""), report(study, table, "", "", methods=methods, made=made)
    return Pages(study.label, view, written)


def save(built: Pages, entity: str, project: str) -> Saved:
    """Save the view and the Report of a study, and return where they are.

    The view is found by its name within W&B, a hash of the study's label, the Report by its title and description: what
    a person has changed in them is written over, but a copy of theirs under another title stays. A `StudyError` of one
    line where the server, or the login, does not let it.
    """
    for one in (built.view, built.report):
        one.entity, one.project = entity, project
    with _one_line(built.label):
        return Saved(view=_save_view(built.view, built.label), report=_save_report(built.report))


def save_search(view: Any, label: str, entity: str, project: str) -> str:
    """Save the `search_workspace` of the search called `label`, as `save` does, and return its address."""
    view.entity, view.project = entity, project
    with _one_line(label):
        return _save_view(view, label)


def view_id(label: str) -> str:
    """Return by what the saved view of a study is known in W&B, as its address has it: `?nw=` and this."""
    return hashlib.sha256(label.encode()).hexdigest()[:11]


def _save_view(view: Any, label: str) -> str:
    known_as = view_id(label)
    try:
        saved = library().workspaces.Workspace.from_url(f"https://host/{view.entity}/{view.project}?nw={known_as}")
    except ValueError as error:
        if not str(error).startswith("Workspace"):  # that of the package: `Workspace ... not found in project ...`
            raise
        view._internal_name = f"nw-{known_as}-v"  # the package has no other way to a name that can be found again
        saved = view
    else:
        saved.name, saved.sections = view.name, view.sections
        saved.settings, saved.runset_settings = view.settings, view.runset_settings
    return str(saved.save().url)


def _save_report(written: Any) -> str:
    for known in isolated_wandb().Api().reports(f"{written.entity}/{written.project}"):
        if (known.display_name, known.description) == (written.title, written.description):
            written.id = known.id
            break
    return str(written.save().url)


@contextmanager
def _one_line(label: str) -> Iterator[None]:
    """Raise a `StudyError` for whatever goes wrong on the way to a server; what the packages print is not shown."""
    library()
    try:
        with redirect_stderr(StringIO()):
            yield
    except StudyError:
        raise
    except Exception as error:  # the package raises plain `Exception` and those of W&B and of the network
        reason = one_line(" ".join(str(error).split()))[:REASON] or type(error).__name__
        raise StudyError(f"W&B: the view of {label} is not saved ({reason}); the same command tries again") from error
