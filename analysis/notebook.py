"""Studies from Python, in a script or a notebook: `run`, `table` and `plot`, as the verbs of `bam` of these names."""

from __future__ import annotations

import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analysis.cli.arguments import LACKING
from analysis.cli.errors import line_for
from analysis.cli.selection import against as compared_with
from analysis.cli.selection import existing_root, root_of, select, select_to_train
from analysis.cli.tracking import conclude
from analysis.formats.data import frame
from analysis.formats.html import as_html
from analysis.formats.legend import Notes
from analysis.formats.render import render
from analysis.formats.run_lines import run_lines
from analysis.plots.kinds import check_kind, draw
from analysis.table.build import Table
from analysis.table.counted import tables_of
from lightning_bam.config import ConfigError, Metric
from lightning_bam.json_text import short
from lightning_bam.run_folder.files import FolderError
from lightning_bam.user_code.keep import refuse_changed
from lightning_bam.user_code.load import STUDY
from studies.coordination.sync import gather_everywhere
from studies.definition.limits import MOST_RANKS, MOST_SEEDS
from studies.definition.study import Study
from studies.errors import StudyError
from studies.library import catalogue
from studies.records.records import Record
from studies.terminal.text import one_line
from studies.workers.launch import lifelines

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

STYLE: Final = (
    "<style>.bam-table table {font-variant-numeric: tabular-nums} .bam-table caption {text-align: left; "
    "font-weight: bold; color: inherit} .bam-table :is(th, td):not(.number) {text-align: left} "
    ".bam-table tfoot td {white-space: normal; font-size: 90%; padding: 0.15em 0.5em}</style>"
)
"""How a table looks in a notebook, whose own style sets every cell to the right."""


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyTable:
    """A study's answer so far; a notebook shows it as a table, `print` as text.

    `table` has every figure by name (see `analysis.table.build.Table`), `records` are the runs that it is made of.
    """

    study: Study
    records: Sequence[Record]
    table: Table

    def __str__(self) -> str:
        return self.render("text")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'{STYLE}<div class="bam-table">{as_html(self.table)}</div>'

    def render(self, form: str = "text", *, notes: Notes = "short") -> str:
        """Return the table as `text`, `md`, `csv`, `json`, `tex` or `html`, with short, all or none of its notes."""
        return render(self.table, form, notes=notes)

    def to_pandas(self) -> pd.DataFrame:
        """Return a line a row: figures in percent, differences and intervals in percentage points, nothing rounded."""
        return frame([self.table])

    def runs(self) -> pd.DataFrame:
        """Return a line a run: row, seed, key, state, the knobs in which rows differ, figures in percent, seconds."""
        import pandas as pd

        return pd.DataFrame(run_lines([(self.study, self.records)]))

    def plot(self, kind: str = "effects") -> Figure:
        """Return one of the figures of `bam plot` (`analysis.plots.kinds.KINDS`), to show, change or save.

        Raises StudyError: no such kind, or one that has nothing to show yet.
        """
        return _figure(draw(kind, self.study, self.records, self.table), f"{self.study.label}: no {kind}")


def run(
    study: Study | str | Path,
    *,
    preset: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    only: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | None = None,
    devices: str | None = None,
    devices_per_run: int = 1,
    runs_per_device: int = 1,
    threads: int = 1,
    retry_failed: bool = False,
    wandb: str | None = None,
    root: str | Path | None = None,
    storage: str | None = None,
) -> StudyTable:
    """Train what is missing of a study, as `bam run` does, and return its table; called again, it trains the rest.

    A line a run tells of the progress, on stderr, in a notebook in the cell's output. A run that fails is told there,
    and is a failed one in the table.

    Args:
        study: a `Study`, a name of the catalogue, or the path of a Python file that defines STUDY. Classes of your own
            stand in a file, not in a notebook's cell.
        preset: another scale of the study, as "small".
        set: knobs by flat name, in every row that has them: `{"recipe.epochs": 3}`.
        only: the rows that have these values, and their baselines: `{"row": ["r=4", "r=8"]}`.
        seeds: how many (the study's own first), or which. A study that follows a stopping rule has its own.
        devices: "0,1" are GPUs, "cpu:2" is two ranks on the CPU; all GPUs, or else all cores.
        devices_per_run: over how many each run is trained (DDP).
        runs_per_device: how many runs share a device.
        threads: torch threads of a rank.
        retry_failed: train failed runs again, too.
        wandb: "off", "offline" or "online"; online where somebody is logged in, else offline. The page of a study is
            written for one that has a name of the catalogue or a file.
        root: the runs folder; BAM_ROOT, or else `runs`.
        storage: `postgresql://...` between hosts; BAM_STORAGE, or else a journal in the runs folder.

    Raises:
        StudyError, ConfigError, FolderError: what was asked cannot be done; the message is one line that says what
            would be right.
        KeyboardInterrupt: every training has been ended, and is resumed by the next call.

    """
    for name, count in (("devices_per_run", devices_per_run), ("runs_per_device", runs_per_device)):
        _whole(name, count, MOST_RANKS)
    _whole("threads", threads, MOST_RANKS)
    if wandb not in (None, "off", "offline", "online"):
        raise StudyError(f"wandb={wandb!r}: give 'off', 'offline' or 'online'")
    arguments = _arguments(study, preset, set, only, seeds, root, storage)
    vars(arguments).update(devices=devices, devices_per_run=devices_per_run, runs_per_device=runs_per_device)
    vars(arguments).update(threads=threads, wandb=wandb, wandb_monitor="on", wandb_alert=False)
    arguments.retry = "failed" if retry_failed else None
    with _one_line_errors(), _progress():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "IProgress not found")  # tqdm misses a widget that nothing here shows
            from analysis.cli.verbs.run import checks, options_of, train  # loads Optuna

        options = options_of(arguments)
        (asked,) = select_to_train(arguments, checks(options))
        for described in asked.rows.values():
            refuse_changed(described)
        try:
            train(asked, arguments, options)
        except KeyboardInterrupt:
            print("bam: interrupted; the same call goes on from here", file=sys.stderr)
            raise
        if name := _name(study):
            conclude(name, asked, arguments, options)
        return _table(asked, arguments)


def table(
    study: Study | str | Path,
    *,
    preset: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    only: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] | None = None,
    margin: float | None = None,
    against: str | None = None,
    root: str | Path | None = None,
    storage: str | None = None,
) -> StudyTable:
    """Return the table of a study from the runs that it has, as `bam table` does; nothing is trained.

    Args:
        study: as in `run`; so are preset, set, only, seeds, root and storage.
        margin: the largest difference in percentage points that is too small to matter, chosen before looking.
        against: the row to compare with in place of the study's own baseline.

    Raises:
        StudyError, ConfigError, FolderError: what was asked cannot be done, or a run folder cannot be trusted.

    """
    if margin is not None and not 0 < margin < 100:
        raise StudyError(f"margin={margin!r}: give percentage points above 0 and below 100, as 0.3")
    arguments = _arguments(study, preset, set, only, seeds, root, storage)
    arguments.margin = margin
    with _one_line_errors():
        existing_root(arguments)
        (asked,) = arguments.study
        return _table(select(asked, arguments), arguments, against)


def plot(
    figures: Mapping[str, ArrayLike],
    kind: str = "effects",
    *,
    baseline: str,
    margin: float | None = None,
    metric: Metric | None = None,
) -> Figure:
    """Plot figures that were made elsewhere as those of a study are: paired by seed, intervals adjusted for all rows.

    Args:
        figures: row -> array of shape (seeds,) in percent, the same seeds in the same order; NaN where one is missing.
        kind: "effects" (differences with intervals and verdicts) or "seeds" (every difference, and what n resolves).
        baseline: the row that the others are compared with.
        margin: the largest difference in percentage points that is too small to matter.
        metric: what the figures are; an error in percent if nothing is said, of which less is better.

    Raises:
        StudyError: what was given is no such array, or cannot be drawn so.

    """
    from analysis.plots import effects, seeds
    from analysis.table.arrays import ERROR, table_of_arrays

    if check_kind(kind) not in ("effects", "seeds"):
        raise StudyError(f"plot {kind!r}: needs a study's runs; of arrays there are 'effects' and 'seeds'")
    made = table_of_arrays(figures, baseline=baseline, margin=margin, metric=metric or ERROR)
    return _figure(effects.effects(made, margin) if kind == "effects" else seeds.seeds(made), f"no {kind}")


def _figure(drawn: Any, where: str) -> Figure:
    from analysis.plots.plot import NoPlot

    if isinstance(drawn, NoPlot):
        raise StudyError(f"{where}: {drawn.reason}")
    figure: Figure = drawn.figure
    return figure


def _table(study: Study, arguments: Namespace, against: str | None = None) -> StudyTable:
    records = gather_everywhere(study, root_of(arguments), arguments.storage)
    if against is not None:
        study, records = compared_with(study, records, against)
    (made,) = tables_of([(study, records)])
    return StudyTable(study=study, records=records, table=made)


def _arguments(
    study: Study | str | Path,
    preset: str | None,
    settings: Mapping[str, Any] | None,
    only: Mapping[str, Any] | None,
    seeds: int | Sequence[int] | None,
    root: str | Path | None,
    storage: str | None,
) -> Namespace:
    """Return what a call asks as the command line would say it."""
    if STUDY in sys.modules or lifelines:
        raise StudyError(
            "run and table are called where a file is read for the classes in it; put the calls under "
            "`if __name__ == '__main__':`, or in a file of their own"
        )
    if not isinstance(study, Study | str | Path):
        raise StudyError(f"study={short(study)}: give a Study, a name of the catalogue, or a Python file")
    if isinstance(seeds, int | str):
        _whole("seeds", seeds, MOST_SEEDS)
    usual = os.environ.get("BAM_ROOT") or "runs"
    return Namespace(
        **LACKING
        | {
            "study": [study if isinstance(study, Study) else str(study)],
            "preset": preset,
            "set": [(name, _text(value)) for name, value in (settings or {}).items()],
            "only": [(name, text) for name, value in (only or {}).items() for text in _texts(value)],
            "seeds": seeds if seeds is None or isinstance(seeds, int) else tuple(seeds),
            "root": usual if root is None else str(root),
            "usual_root": usual,
            "storage": storage or os.environ.get("BAM_STORAGE") or None,
        }
    )


def _whole(name: str, count: object, most: int) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= most:
        raise StudyError(f"{name}={count!r}: give a number from 1 to {most:,}")


def _text(value: object) -> str:
    """Write a knob's value as `--set` takes it: lists with commas, `none` for None."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else "none" if value is None else str(value)


def _texts(value: object) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, tuple | list) else [_text(value)]


def _name(study: Study | str | Path) -> str:
    """Return by what name a call of `bam` finds the study; empty where it finds it by none."""
    if not isinstance(study, Study):
        return str(study)
    return study.name if catalogue().get(study.name) == study else ""


@contextmanager
def _progress() -> Iterator[None]:
    """Have a notebook show what goes to stderr as plain output: it sets errors in red."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        yield
        return
    with redirect_stderr(sys.stdout):
        yield


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Raise what is the caller's to mend, as a full disk, as an error of one line."""
    try:
        yield
    except (StudyError, ConfigError, FolderError) as error:
        if error.args == (str(error),):
            error.args = (one_line(str(error)),)  # a traceback prints whatever a record's text would have a terminal do
        raise
    except Exception as error:
        if (line := line_for(error)) is None:
            raise
        raise StudyError(one_line(line)) from error
