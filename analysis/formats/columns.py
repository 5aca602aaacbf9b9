"""A table's columns, the same in every format made for reading: texts, and figures that each format prints itself."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from analysis.checks.footnotes import LETTERS
from analysis.table.build import Table
from analysis.table.model import Row
from analysis.table.verdict import LEVEL
from lightning_bam.config import Metric

RAISED: Final = str.maketrans(LETTERS, "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
"""Letters of footnotes as they stand in a terminal and in Markdown: one column wide, and no markup."""
JOINTS: Final = re.compile(r"(?<=[=_,;:./+|)-])(?=[\w(])")
"""Where a word of a label may be broken that is too long for its line."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean and its sample standard deviation in percent over n runs, NaN where there is none, until it is printed.

    `marks` are the letters of its footnotes; of `wanted` runs the others are in `states`; the `best` are bold.
    """

    mean: float
    sd: float = math.nan
    n: int = 0
    marks: tuple[str, ...] = ()
    wanted: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    best: bool = False

    @property
    def head(self) -> str:
        """The mean, a dash without one."""
        return "—" if math.isnan(self.mean) else f"{self.mean:.2f}"

    @property
    def spread(self) -> str:
        """The standard deviation, empty without one."""
        return "" if math.isnan(self.sd) else f"{self.sd:.2f}"

    @property
    def rest(self) -> str:
        """What stands behind both; a newline is where a narrow page may break, else a space."""
        if self.n >= self.wanted:
            return f" ({self.n})" if self.n else ""
        states = ",\n".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"\n({self.n} of {self.wanted};\n{states})"

    @property
    def tail(self) -> str:
        """All that stands behind the mean."""
        return (f" ± {self.spread}" if self.spread else "") + self.rest

    def __str__(self) -> str:
        return self.head + self.tail


@dataclass(frozen=True, kw_only=True)
class Delta(Figure):
    """A mean difference in percentage points with its interval; NaN where it has none."""

    low: float
    high: float

    @property
    def head(self) -> str:
        """The difference with its sign."""
        return signed(self.mean)

    @property
    def rest(self) -> str:
        """The interval."""
        return "" if math.isnan(self.low) else f"\n[{signed(self.low)}, {signed(self.high)}]"


@dataclass(frozen=True, kw_only=True)
class Printed(Figure):
    """A figure of the paper and what ours `said` of it; `delta`, its difference to the baseline, likewise."""

    said: str
    delta: float | None = None
    delta_said: str = ""

    @property
    def rest(self) -> str:
        """What ours say; that nothing has run is said once."""
        if self.delta is None:
            return f"\n{self.said}"
        said = "" if self.delta_said == self.said == "not run" else f"\n{self.delta_said}"
        return f"\n{self.said};\nΔ {signed(self.delta)}{said}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and a text for each row; a newline is where a narrow page may break, else a space.

    `kind` is `label`, `verdict`, or `number`, not `plain` where some cells are more than one, as a bound or with a
    limit. `name` is that of the column of the CSV that holds its main figure.
    """

    heading: str
    kind: str
    cells: Sequence[str]
    plain: bool = True
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureColumn:
    """A heading and a figure for each row, to be aligned at their decimal points."""

    heading: str
    figures: Sequence[Figure | None]
    name: str = ""
    kind: ClassVar[str] = "figures"

    @property
    def pads(self) -> list[int]:
        """How many blanks stand before each figure."""
        heads = [len(figure.head) if figure else 0 for figure in self.figures]
        return [max(heads) - head for head in heads]

    def printed(self, bold: str = "") -> Column:
        """Return the figures as texts, the best between two signs of `bold`, with letters of footnotes behind."""
        cells = []
        for figure, pad in zip(self.figures, self.pads, strict=True):
            if figure is None:
                cells.append("")
                continue
            sign = bold if figure.best else ""
            cells.append(f"{' ' * pad}{sign}{figure.head}{sign}{figure.tail}{raised(figure.marks)}")
        return Column(heading=self.heading, kind=self.kind, cells=cells, name=self.name)


Columns = list[Column | FigureColumn]


def columns(table: Table) -> Columns:
    """Return the columns to print; the published figures only where the study has some."""
    rows = table.rows
    unit, macs = _macs([row.macs for row in rows])
    params = ["" if row.params is None else f"{row.params / 1e6:.3f}" for row in rows]
    return [
        labels(table),
        Column(heading="params\n(M)", kind="number", cells=params, name="params"),
        Column(heading=f"MACs\n({unit})", kind="number", cells=macs, name="macs"),
        figures(table),
        *differences(table),
        *published(table),
    ]


def labels(table: Table) -> Column:
    """Return the names of the rows."""
    return Column(heading="row", kind="label", cells=[row.label for row in table.rows], name="row")


def published(table: Table) -> Columns:
    """Return a column of what the paper prints, and whether ours agree; none where it prints nothing."""
    if all(row.published is None for row in table.rows):
        return []
    cells = [
        None
        if row.published is None
        else Printed(
            mean=row.published, said=row.compatible, delta=row.published_delta, delta_said=row.compatible_delta
        )
        for row in table.rows
    ]
    return [FigureColumn(heading="published", figures=cells, name="published")]


def figures(table: Table) -> FigureColumn:
    """Return the study's own metric."""
    cells = [
        Figure(mean=r.mean, sd=r.sd, n=r.n, best=r.best, marks=r.marks, wanted=r.wanted, states=r.states)
        for r in table.rows
    ]
    return FigureColumn(heading=heading(table.metric), figures=cells, name=f"{table.metric.name}_mean")


def differences(table: Table) -> Columns:
    """Return the columns that hold each row against its baseline."""
    deltas = [Delta(mean=d.mean, low=d.low, high=d.high) if (d := row.delta) else None for row in table.rows]
    if table.stopping is None:
        bounded = any(row.p_adjusted < 0.001 for row in table.rows)
        cells = [p_text(row.p_adjusted) for row in table.rows]
        p = Column(heading="p\n(adj.)", kind="number", cells=cells, plain=not bounded, name="p_adjusted")
    else:
        limited = [_limited(row) for row in table.rows]
        p = Column(heading="p\n(limit)", kind="number", cells=limited, plain=not any(limited), name="p")
    return [
        FigureColumn(heading="Δ to\nbaseline", figures=deltas, name="delta"),
        p,
        Column(heading="verdict", kind="verdict", cells=[str(row.verdict) for row in table.rows], name="verdict"),
    ]


def raised(marks: Sequence[str]) -> str:
    """Write footnotes' letters as raised ones, with a comma between two."""
    return ",".join(marks).translate(RAISED)


def signed(value: float) -> str:
    """Write a difference with two decimals and its sign, also where it rounds to zero."""
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value):.2f}"


def heading(metric: Metric) -> str:
    """Return what heads the figures of a metric."""
    return "error (%)" if metric.name == "error_top1" else metric.label


def mean_and_sd(mean: float, sd: float) -> str:
    """Write `20.10 ± 0.76`, `20.10` where there is no spread, a dash where there is nothing."""
    return str(Figure(mean=mean, sd=sd))


def _macs(macs: Sequence[int | None]) -> tuple[str, list[str]]:
    """Choose one unit and as many digits as give the largest figure four."""
    most = max((count for count in macs if count), default=0)
    unit, scale = ("G", 1e9) if most >= 1e8 else ("M", 1e6)
    digits = max(0, 3 - math.floor(math.log10(most / scale))) if most else 0
    return unit, ["" if count is None else f"{count / scale:.{digits}f}" for count in macs]


def at_least(p: float) -> str:
    """Write a p-value as `< 0.001` or `= 0.042`, with as many digits as tell it from 0.05."""
    return "< 0.001" if p < 0.001 else f"= {_apart(p, LEVEL, '.{}f', 3)}"


def p_text(p: float) -> str:
    """Write a p-value for a column, as `<0.001` or `0.042`; empty where there is none."""
    return "" if math.isnan(p) else at_least(p).removeprefix("= ").replace("< ", "<")


def _apart(value: float, bound: float, form: str, digits: int) -> str:
    """Write a value with so many digits, and more where it would read as a bound that it is not."""
    while value != bound and float(format(value, form.format(digits))) == float(format(bound, form.format(digits))):
        digits += 1
    return format(value, form.format(digits))


def _limited(row: Row) -> str:
    """Write p at the last look, and the limit that it is held against there."""
    look = row.interim
    if look is None or look.delta is None or look.limit is None or math.isnan(look.delta.p):
        return ""
    p, limit = look.delta.p, look.limit
    return f"{_apart(p, limit, '.{}g', 2)}\n({_apart(limit, p, '.{}g', 2)})"
