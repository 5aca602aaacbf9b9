"""A study: one question, asked as rows of runs that differ only in the factor under question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from lightning_bam.config import Run, flatten, nearest
from lightning_bam.run_folder.result import METRICS, Metric
from studies.definition.limits import LABEL_BYTES
from studies.definition.names import shortened
from studies.definition.panels import Panel, check_differences, make_panels, varying
from studies.definition.selection import chosen_rows, overridden, settled
from studies.definition.stopping import Stopping
from studies.definition.validation import check_fields, check_metric, check_names, check_seeds
from studies.errors import StudyError
from studies.paper.published import Published


class Cell(NamedTuple):
    """One run of a study: the row it belongs to and what to train."""

    row: str
    run: Run


@dataclass(frozen=True, kw_only=True)
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
        presets: other scales at which the same rows can be asked: name -> a run that gives data, backbone and recipe.
        variant: what sets this copy of the study apart from its definition (`small`, `recipe.epochs=3`).
        family: how many comparisons the whole study makes, where this copy shows only some of its rows.
        within: the slots (`backbone`, `dataset`) that split the rows into panels: a row is compared with the baseline
            that has the same there, and panels may differ in them.
        metric: what the study compares, a name of `lightning_bam.run_folder.result.METRICS`.
        margin: the largest difference in percentage points that is too small to matter; with it, rows can be told to
            be equivalent.
        stopping: the rule by which seeds are given to rows, from before the first result; its last look takes all.
        left_out: seeds of the whole study that this copy leaves out.
        added: seeds of this copy that the whole study does not have.
        hidden: rows of the whole study that this copy leaves out.
        ruled_by: row -> the other study whose stopping rule gives seeds to it, where this one has none.

    Raises:
        StudyError: rows that differ in anything else, equal rows, an unknown baseline or metric, a panel without a
            baseline of its own, no seeds, a margin that is none, seeds that do not fit the stopping rule, or a field of
            another type.

    """

    name: str
    question: str
    rows: Mapping[str, Run]
    baseline: str | tuple[str, ...]
    scientific: tuple[str, ...]
    seeds: int | Sequence[int] = 5
    paper: str = ""
    published: Mapping[str, float | Published] = field(default_factory=dict)
    presets: Mapping[str, Run] = field(default_factory=dict)
    variant: tuple[str, ...] = ()
    family: int | None = None
    within: tuple[str, ...] = ()
    metric: str = "error_top1"
    margin: float | None = None
    stopping: Stopping | None = None
    left_out: Sequence[int] = ()
    added: Sequence[int] = ()
    hidden: Sequence[str] = ()
    ruled_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check everything that makes the comparison fair."""
        check_names(self.name, self.rows)
        check_seeds(self.name, self.seeds)
        check_fields(self.name, vars(self))
        known = {name for run in self.rows.values() for name in flatten(run)}
        for name in self.scientific:
            if name not in known:
                raise StudyError(f"{self.name}: scientific {name!r}: no row has such a knob; {nearest(name, known)}")
        check_metric(self.name, self.metric, self.rows)
        if unknown := set(self.published) - set(self.rows):
            raise StudyError(f"{self.name}: published figures for {sorted(unknown)}, which are no rows")
        if self.stopping is not None and len(self.seed_list) != self.stopping.most:
            raise StudyError(
                f"{self.name}: {len(self.seed_list)} seeds, but its stopping rule looks last at {self.stopping.most}: "
                f"seeds={self.stopping.most}"
            )
        for row, run in self.rows.items():
            if run.seed or run.score_on != "test":
                raise StudyError(f"{self.name}, row {row!r}: leave seed and score_on to the study")
        check_differences(self.name, self.rows, self.panels, self.scientific, self.within)

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
        return METRICS[self.metric]

    def printed(self, row: str) -> Published | None:
        """Return what the paper prints for a row; None where it prints nothing."""
        given = self.published.get(row)
        return Published(values={self.metric: f"{given:.2f}"}) if isinstance(given, int | float) else given

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, in order."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

    @property
    def comparisons(self) -> int:
        """How many comparisons with the baseline the whole study makes: what p-values are adjusted for."""
        return len(self.rows) - len(self.panels) if self.family is None else self.family

    @property
    def label(self) -> str:
        """The name with what sets this copy apart: `reduction`, `reduction+small`; of a long one the end is a hash."""
        return shortened("+".join((self.name, *self.variant)), LABEL_BYTES)

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
        """Return the same rows at another scale: the preset's data, backbone and recipe.

        Raises:
            StudyError: the study has no such preset.

        """
        if preset not in self.presets:
            hint = nearest(preset, self.presets) if self.presets else "it has none"
            raise StudyError(f"{self.name}: no preset {preset!r}; {hint}")
        base = self.presets[preset]
        rows = {
            row: replace(run, dataset=base.dataset, backbone=base.backbone, recipe=base.recipe)
            for row, run in self.rows.items()
        }
        if rows == dict(self.rows):
            return self
        return replace(self, rows=rows, published={}, variant=(*self.variant, preset))

    def override(self, settings: Mapping[str, str]) -> Study:
        """Return the study with flat names set from text in every row that has them; itself where that changes no run.

        Raises:
            StudyError: a name under question, or one that no row has.
            ConfigError: a value outside its range.

        """
        if not settings:
            return self
        for name in settings:
            if name in (*self.scientific, "seed", "score_on"):
                raise StudyError(f"--set {name}: this is what {self.name} varies; use --only or --seeds")
        rows = overridden(self.rows, settings)
        if all(rows[row].key == run.key for row, run in self.rows.items()):
            return self
        variant = settled(rows.values(), settings)
        return replace(self, rows=rows, published={}, variant=(*self.variant, *variant))

    def only(self, selectors: Mapping[str, Sequence[str]]) -> Study:
        """Return the study with the rows whose flat names (or `row`, the label) have these values, and their baselines.

        Raises:
            StudyError: a name that no row has, or a selection that leaves only baselines.

        """
        chosen = chosen_rows(self.rows, self.baselines, selectors)
        left = [panel for panel in self.panels if chosen & set(panel.rows)]
        chosen |= {panel.baseline for panel in left}
        rows = {row: run for row, run in self.rows.items() if row in chosen}
        varied = varying(rows, [panel.among(rows) for panel in left])
        return replace(
            self,
            rows=rows,
            baseline=self.baseline if isinstance(self.baseline, str) else tuple(panel.baseline for panel in left),
            published={row: value for row, value in self.published.items() if row in rows},
            scientific=tuple(name for name in self.scientific if name in varied),
            family=self.comparisons,
            hidden=(*self.hidden, *(row for row in self.rows if row not in rows)),
        )

    def with_seeds(self, seeds: int | Sequence[int]) -> Study:
        """Return the study asked with other seeds; a number of them takes its own first, then those after them."""
        if isinstance(seeds, int):
            own = tuple(self.seed_list)
            seeds = (own + tuple(range(max(own) + 1, max(own) + 1 + seeds)))[:seeds]
        whole, asked = {*self.left_out, *self.seed_list} - {*self.added}, {*seeds}
        return replace(self, seeds=seeds, left_out=tuple(sorted(whole - asked)), added=tuple(sorted(asked - whole)))

    def with_margin(self, margin: float) -> Study:
        """Return the study with another difference that is too small to matter."""
        return replace(self, margin=margin)

    def stopping_by(self, rule: Stopping, first_seed: int | None = None) -> Study:
        """Return the study with a stopping rule, and with as many seeds as a row can get by it, its own first or not.

        A study that confirms a search has seeds of its own, which the search has not seen.
        """
        first = min(self.seed_list) if first_seed is None else first_seed
        return replace(self, stopping=rule, seeds=tuple(range(first, first + rule.most)))
