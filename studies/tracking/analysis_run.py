"""A study's analysis run: what was concluded from its runs, told to W&B beside them, under an id of its own."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from platform import node
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from lightning_bam.run_folder.lock import open_lock, wait_for
from lightning_bam.run_folder.provenance import commit
from studies.definition.limits import shortened
from studies.job.job import WandbMode
from studies.terminal.text import one_line
from studies.tracking.connection import NAME, isolated_wandb, project, without_folders
from studies.tracking.description import preset_tags, study_tag
from studies.tracking.names import ANALYSIS, CHART, ROWS, TABLE, analysis_id, row_key
from studies.tracking.record import TYPE, artifact_name, log_artifact
from studies.tracking.session import SERVER_WAIT, finish_run, open_run, prepare
from studies.tracking.store import store

BUNDLE: Final = "bundle"
"""The type of the artifact that holds a study's bundle."""
TAGGING: Final = "tagging.lock"
"""The file beside the records that is locked meanwhile."""
PAGE: Final = 100
"""Runs that one question to a server names."""
REFUSALS: Final = 3
"""Records without an answer one after the other, after which no more are asked for."""


class Effect(NamedTuple):
    """A row's difference to its baseline, and the ends of its interval."""

    row: str
    low: float
    mean: float
    high: float


class Picture(NamedTuple):
    """A PNG file, and what it shows."""

    content: bytes
    caption: str


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What a study's analysis run shows, as plain data.

    `notes` are Markdown; `columns` and `lines` are the table's, `pages` are HTML, they and `pictures` by their keys in
    W&B; `bundle` is an archive, `runs` are the rows of the complete runs that the table is made of, by their keys. With
    `alert` W&B sends one.
    """

    label: str
    notes: str
    presets: Sequence[str]
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    columns: Sequence[str]
    lines: Sequence[Sequence[Any]]
    effects: Sequence[Effect]
    difference: str
    pictures: Mapping[str, Sequence[Picture]]
    pages: Mapping[str, str]
    bundle: bytes | None
    runs: Mapping[str, str]
    alert: str = ""


class Sent(NamedTuple):
    """Where a server has all of a study's analysis run; empty where none has it, and its record is kept.

    `untagged` says why runs of the study may lack its tag there.
    """

    url: str = ""
    entity: str = ""
    project: str = ""
    untagged: str = ""


def description(analysis: Analysis) -> dict[str, Any]:
    """Return the arguments of `wandb.init` for a study's analysis run."""
    prefix = "analysis of "
    return {
        "project": project(),
        "id": analysis_id(analysis.label),
        "group": shortened(analysis.label, NAME),
        "name": prefix + shortened(analysis.label, NAME - len(prefix)),
        "job_type": ANALYSIS,
        "notes": analysis.notes,
        "tags": [study_tag(analysis.label), *preset_tags(analysis.presets)],
        "config": {
            **analysis.config,
            "study": analysis.label,
            "row": ANALYSIS,
            ROWS: {row_key(analysis.label): ANALYSIS},
            "commit": commit(),
            "host": node(),
        },
    }


def send(analysis: Analysis, root: Path, mode: WandbMode) -> Sent | None:
    """Write a study's analysis run, in place of the last one; None where W&B cannot be opened, which is printed.

    Where a server has it, its bundle depends on the records of the runs, and each of them has the study's tag.
    """
    prepare(root, mode)
    wandb = isolated_wandb()
    opened = open_run(root, mode, description(analysis))
    if opened is None:
        return None
    run, where = opened
    try:
        with TemporaryDirectory() as place:
            run.log({TABLE: table(wandb, analysis), **media(wandb, analysis, Path(place))})
            run.summary.update(dict(analysis.summary))
            if analysis.bundle is not None:
                if where == "online":
                    link(run, analysis.runs)
                log_artifact(run, archive(wandb, analysis, Path(place)))
            if analysis.alert:
                run.alert(f"{analysis.label}: {analysis.summary.get('runs', '')}", analysis.alert)
    except BaseException:
        run.finish(exit_code=1)
        raise
    if not finish_run(run, where):
        print(f"W&B: the server has refused part of what {analysis.label} came to")
        return Sent()
    if where == "offline":
        return Sent()
    try:
        with one_at_a_time(root):
            tag(f"{run.entity}/{run.project}", analysis)
    except Exception as error:  # W&B's are of any kind; the analysis run is there
        return Sent(run.url, run.entity, run.project, one_line(" ".join(str(error).split())) or type(error).__name__)
    return Sent(run.url, run.entity, run.project)


def table(wandb: Any, analysis: Analysis) -> Any:
    """Return the study's table as W&B's."""
    return wandb.Table(columns=list(analysis.columns), data=list(analysis.lines), allow_mixed_types=True)


def media(wandb: Any, analysis: Analysis, place: Path) -> dict[str, Any]:
    """Return charts, pictures and pages by their keys; files are written to `place`."""
    shown: dict[str, Any] = {}
    if analysis.effects:
        # a row's interval as a line of its own: W&B has no chart of intervals that needs no account
        heights = range(len(analysis.effects), 0, -1)
        shown[CHART] = wandb.plot.line_series(
            xs=[[effect.low, effect.mean, effect.high] for effect in analysis.effects],
            ys=[[height] * 3 for height in heights],
            keys=[effect.row for effect in analysis.effects],
            title=f"{analysis.label}: {analysis.difference}",
            xname=analysis.difference,
        )
    for key, pictures in analysis.pictures.items():
        images = []
        for number, picture in enumerate(pictures):
            path = place / f"{key.replace('/', '-')}-{number}.png"
            path.write_bytes(picture.content)
            images.append(wandb.Image(str(path), caption=picture.caption))
        shown[key] = images if len(images) > 1 else images[0]
    return shown | {key: wandb.Html(page, inject=False) for key, page in analysis.pages.items()}


def archive(wandb: Any, analysis: Analysis, place: Path) -> Any:
    """Return the bundle as an artifact, of which a study has one, in versions."""
    name = shortened(row_key(analysis.label), NAME - len(BUNDLE) - 1).replace("~", "_")
    artifact = wandb.Artifact(f"{BUNDLE}-{name}", type=BUNDLE)
    path = place / "bundle.tar.gz"
    path.write_bytes(analysis.bundle or b"")
    artifact.add_file(str(path), skip_cache=True)
    return artifact


def link(run: Any, keys: Iterable[str]) -> None:
    """Have the analysis run use the records of runs, as far as the server has them."""
    refused = 0
    for key in keys:
        try:
            run.use_artifact(f"{artifact_name(key)}:latest", type=TYPE)
        except Exception:  # trained offline and not sent yet, or no server any more
            refused += 1
            if refused == REFUSALS:
                break
        else:
            refused = 0


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Keep two calls from tagging the runs of a folder at once: each would write over what the other has added."""
    path = store(root) / TAGGING
    descriptor = open_lock(path, root)
    try:
        wait_for(descriptor, path, SERVER_WAIT)
        yield
    finally:
        os.close(descriptor)


def tag(place: str, analysis: Analysis) -> None:
    """Give the runs of a study, which another may have trained, its tag, and say which of its rows they are."""
    api = isolated_wandb().Api(timeout=int(SERVER_WAIT))
    wanted, key, names = study_tag(analysis.label), row_key(analysis.label), list(analysis.runs)
    for begin in range(0, len(names), PAGE):
        with without_folders():
            filters = {"name": {"$in": names[begin : begin + PAGE]}}
            runs = list(api.runs(place, filters=filters, lazy=False))
        for run in runs:
            row, known = analysis.runs.get(run.id), run.config.get(ROWS)
            rows = known if isinstance(known, dict) else {}
            if wanted not in run.tags or rows.get(key) != row:
                run.tags = [*run.tags, *({wanted} - {*run.tags})]
                run.config[ROWS] = {**rows, key: row}
                run.update()
