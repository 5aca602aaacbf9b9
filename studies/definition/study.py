"""A study: one question, asked as rows of runs that differ only in the factor under question; and a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import field, fields, replace
from functools import cached_property
from math import comb
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from lightning_bam.config import Metric, Run, flatten, metrics, nearest
from studies.definition.limits import LABEL_BYTES, LAST_SEED, LONGEST, MOST_SEEDS, shortened
from studies.definition.panels import Panel, check_differences, make_panels, varying
from studies.definition.settings import at_scale, find_preset, select_rows, setting_texts, with_all_settings
from studies.definition.stopping import Stopping
from studies.definition.validation import Name, Names, Number, Whole, definition, distinct, expected
from studies.errors import StudyError
from studies.paper.published import Published

Seeds = Annotated[
    Annotated[Whole, Field(ge=1, le=MOST_SEEDS)]
    | Annotated[
        tuple[Annotated[Whole, Field(ge=0, le=LAST_SEED)], ...],
        Field(min_length=1, max_length=MOST_SEEDS),
        AfterValidator(distinct),
    ],
    expected(f"give a number from 1 to {MOST_SEEDS:,}, or which seeds, each once, from 0 to {LAST_SEED}"),
]
Margin = Annotated[Number, Field(gt=0, lt=100)]
PublishedFigure = Annotated[Number | Published, expected("give a number, as 5.0, or Published(...)")]


Preset = Annotated[Run | Mapping[str, Run], expected("give a Run(...), or rows as {label: Run(...)}")]


class Cell(NamedTuple):
    """One run of a study: the row it belongs to and what to train."""

    row: str
    run: Run


@definition
class Study:
    """One question and the runs that answer it.

    Args:
        name: a short name; Optuna's study and W&B's group carry it.
        question: what is asked, in one sentence.
        rows: label -> run, at seed 0; each row is trained once per seed.
        baseline: the row that all others are compared to, seed by seed; with `within`, one such row a panel.
        scientific: the flat names (`attention.reduction`) in which rows may differ; all else is fixed.
        seeds: how many seeds (0, 1, ...), or which.
        paper: the table of the paper that asks the same, if one does.
        published: row -> what the paper prints, at the paper's scale: its `metric` in percent, or a whole `Published`.
        presets: other scales at which the same can be asked: name -> a run that gives the rows its data, backbone and
            recipe; or all rows, where their knobs must change with the scale, too.
        within: the slots (`backbone`, `dataset`) that split the rows into panels: a row is compared with the baseline
            that has the same there, and panels may differ in them.
        metric: what the study compares, the name of a metric of its task: `error_top1`, `map_50_95` ....
        margin: the largest difference in percentage points that is too small to matter; with it, rows can be told to
            be equivalent.
        stopping: the rule by which seeds are given to rows, from before the first result; it declares all of them.

    """

    name: Name
    question: str
    rows: Annotated[Mapping[str, Run], Field(min_length=1)]
    baseline: Annotated[str | tuple[str, ...], expected("give the label of a row")]
    scientific: Names
    seeds: Seeds = 5
    paper: str = ""
    published: Mapping[str, PublishedFigure] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    within: Names = ()
    metric: str = "error_top1"
    margin: Annotated[Margin | None, expected("give percentage points above 0, as 0.3")] = None
    stopping: Stopping | None = None

    def __post_init__(self) -> None:
        knobs = {name for run in self.rows.values() for name in flatten(run)}
        for name in self.scientific:
            if name not in knobs:
                raise StudyError(f"{self.name}: scientific {name!r}: no row has such a knob; {nearest(name, knobs)}")
        if self.metric not in metrics():
            raise StudyError(f"{self.name}: metric {self.metric!r}: no such metric; {nearest(self.metric, metrics())}")
        if unknown := set(self.published) - set(self.rows):
            raise StudyError(f"{self.name}: published figures for {sorted(unknown)}, which are no rows")
        if self.stopping is not None and len(self.seed_list) != self.stopping.declared:
            spare = f" and has {self.stopping.spare} spare" if self.stopping.spare else ""
            raise StudyError(
                f"{self.name}: {len(self.seed_list)} seeds, but its stopping rule looks last at {self.stopping.most}"
                f"{spare}: seeds={self.stopping.declared}"
            )
        for row, run in self.rows.items():
            self._check_row(row, run)
        check_differences(self.name, self.rows, self.panels, self.scientific, self.within)

    def _check_row(self, row: str, run: Run) -> None:
        if not row.strip() or not row.isprintable() or len(row) > LONGEST:
            shown = repr(row) if len(row) <= LONGEST else f"{row[:20]!r}... ({len(row)} characters)"
            raise StudyError(f"{self.name}, row {shown}: a label is one line of 1 to {LONGEST} printable characters")
        if run.seed or run.score_on != "test":
            raise StudyError(f"{self.name}, row {row!r}: leave seed and score_on to the study")
        task = run.actual_task
        names = [metric.name for metric in task.metrics]
        if self.metric not in names:
            raise StudyError(
                f"{self.name}: metric {self.metric!r}: row {row!r} is trained for {task.kind}; metric={names[0]!r}"
                + "".join(f" or {name!r}" for name in names[1:])
            )

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """The parts of the study within which rows are compared; a single one without `within`."""
        return make_panels(self.name, self.rows, self.baselines, self.within)

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baseline of each panel."""
        return (self.baseline,) if isinstance(self.baseline, str) else self.baseline

    @property
    def scale(self) -> Metric:
        """What the study compares: its name, its heading, and which way is better."""
        task = next(iter(self.rows.values())).actual_task
        return next(metric for metric in task.metrics if metric.name == self.metric)

    def printed(self, row: str) -> Published | None:
        """Return what the paper prints for a row; None where it prints nothing."""
        figure = self.published.get(row)
        return Published(values={self.metric: f"{figure:.2f}"}) if isinstance(figure, int | float) else figure

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def comparisons(self) -> int:
        """How many comparisons with the baseline the whole study makes: what p-values are adjusted for."""
        return len(self.rows) - len(self.panels)

    @property
    def label(self) -> str:
        """The name, and behind it what a call sets: `reduction`, `reduction+small`."""
        return self.name

    def runs(self) -> list[Cell]:
        """Return every (row, run), seed by seed so that an unfinished study is a balanced one."""
        return [Cell(row, replace(run, seed=seed)) for seed in self.seed_list for row, run in self.rows.items()]

    def fixed(self) -> dict[str, str]:
        """Return the flat names on which all rows agree, as text: what the conclusion is conditional on."""
        flats = [flatten(run) for run in self.rows.values()]
        names = {name: None for flat in flats for name in flat}
        values = {name: {str(flat[name]) for flat in flats if name in flat} for name in names}
        return {name: next(iter(v)) for name, v in values.items() if len(v) == 1 and name != "seed"}

    def at(self, preset: str) -> Study:
        """Return the study at the scale of a preset, which it must have."""
        scale = find_preset(self.name, self.presets, preset)
        if isinstance(scale, Run):
            return self._with_rows(
                {row: at_scale(scale, run, self.scientific) for row, run in self.rows.items()}, preset
            )
        return replace(Selection.of(replace(self, rows=scale, published={})), variant=(preset,))

    def override(self, settings: Mapping[str, str]) -> Study:
        """Return the study with flat names, none under question, set from text in every row that has them."""
        for name in settings:
            if name in (*self.scientific, "seed", "score_on"):
                raise StudyError(f"--set {name}: this is what {self.name} varies; use --only or --seeds")
        rows = with_all_settings(self.rows, settings)
        return self._with_rows(rows, *setting_texts(rows.values(), settings))

    def _with_rows(self, rows: Mapping[str, Run], *variant: str) -> Study:
        """Return the study with the same rows at other settings, which the paper prints nothing for."""
        if all(rows[row].key == run.key for row, run in self.rows.items()):
            return self
        selection = Selection.of(self)
        return replace(selection, rows=rows, published={}, variant=(*selection.variant, *variant))

    def only(self, selectors: Mapping[str, Sequence[str]]) -> Selection:
        """Return the study with the rows whose flat names, or `row`, have these values, and their baselines."""
        labels = select_rows(self.rows, self.baselines, selectors)
        panels = [panel for panel in self.panels if labels & set(panel.rows)]
        labels |= {panel.baseline for panel in panels}
        return self._part(labels, panels)

    def against(self, row: str) -> Study:
        """Return the panel of this row with it as the baseline, or the study as it is for a baseline of its own.

        Raises StudyError: no such row, or a study whose seeds follow a rule.
        """
        if row not in self.rows:
            raise StudyError(f"--against {row}: {self.label}: no such row in the table; {nearest(row, self.rows)}")
        if row in self.baselines:
            return self
        if self.stopping is not None:
            raise StudyError(
                f"--against {row}: {self.label} follows a stopping rule, whose limits hold for the comparisons it was "
                "declared for; ask with fresh seeds in a study of its own"
            )
        panel = next(panel for panel in self.panels if row in panel.rows)
        return self._part(set(panel.rows), [panel._replace(baseline=row)])

    def _part(self, labels: Set[str], panels: Sequence[Panel]) -> Selection:
        """Return the study with these of its rows, which are in these panels."""
        rows = {row: run for row, run in self.rows.items() if row in labels}
        varied = varying(rows, [panel.among(rows) for panel in panels])
        baselines = tuple(panel.baseline for panel in panels)
        return replace(
            Selection.of(self),
            rows=rows,
            baseline=baselines[0] if isinstance(self.baseline, str) else baselines,
            published={row: value for row, value in self.published.items() if row in rows},
            scientific=tuple(name for name in self.scientific if name in varied),
        )

    def with_seeds(self, seeds: int | Sequence[int]) -> Selection:
        """Return the study asked with other seeds; a number of them takes its own first, then those after them."""
        if isinstance(seeds, int):
            own = self.seed_list
            seeds = (own + tuple(range(max(own) + 1, max(own) + 1 + seeds)))[:seeds]
        return replace(Selection.of(self), seeds=tuple(seeds))

    def stopping_by(self, rule: Stopping, first_seed: int | None = None) -> Study:
        """Return the study with a stopping rule, and as many seeds as it declares, from its first on."""
        first = min(self.seed_list) if first_seed is None else first_seed
        return replace(self, stopping=rule, seeds=tuple(range(first, first + rule.declared)))


@definition
class Selection(Study):
    """A study as one call asks it: the rows, seeds, settings, margin and rule are those of the call.

    `study` is the definition, `variant` the preset and the settings of the call (`small`, `recipe.epochs=3`), `asked`
    the words that ask it so at a prompt (`mine.py`, `--preset`, `small`), as far as it was asked there, and `ruled_by`
    names by row the other study whose stopping rule gives seeds to it, where this one has none. `dropped`
    are rows that it has not and that were trained for it: they stay comparisons of the whole study.
    """

    study: Study
    variant: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    ruled_by: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Study) -> Selection:
        """Return the selection of all of a study, or the selection that it is."""
        if isinstance(study, Selection):
            return study
        return cls(**{f.name: getattr(study, f.name) for f in fields(Study)}, study=study)

    @property
    def label(self) -> str:
        """The name and the variant, `reduction+small`; of a long one the end is a hash."""
        return shortened("+".join((self.name, *self.variant)), LABEL_BYTES)

    @property
    def comparisons(self) -> int:
        """How many comparisons the whole study makes, whatever rows of it are selected or were dropped.

        All pairs for another baseline: whoever names a row after a look at the results may have named any.
        """
        if not self.declared:
            return self.study.comparisons + len(self.dropped)
        *sizes, most = sorted(len(panel.rows) for panel in self.study.panels)
        return sum(comb(size, 2) for size in (*sizes, most + len(self.dropped)))

    @property
    def declared(self) -> str:
        """The baseline of the study in whose place this call compares with another row; empty where it does not."""
        (other, *_) = self.baselines
        return "" if other in self.study.baselines else next(p.baseline for p in self.study.panels if other in p.rows)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The rows of the study that are not selected."""
        return tuple(row for row in self.study.rows if row not in self.rows)

    @property
    def left_out(self) -> tuple[int, ...]:
        """The seeds of the study that are not selected; by a stopping rule none is left out."""
        return () if self.stopping else tuple(sorted({*self.study.seed_list} - {*self.seed_list}))

    @property
    def added(self) -> tuple[int, ...]:
        """The seeds that the study does not have; by a stopping rule none is added."""
        return () if self.stopping else tuple(sorted({*self.seed_list} - {*self.study.seed_list}))


def presets_of(study: Study) -> tuple[str, ...]:
    """Return the presets by which a call asks a study; empty at the scale of its definition."""
    return tuple(text for text in Selection.of(study).variant if "=" not in text)
