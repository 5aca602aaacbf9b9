"""The lines below a table that say what its figures mean and what they are conditional on."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final, Literal, NamedTuple, get_args

from analysis.table.build import Table
from lightning_bam.config import KINDS
from studies.definition.stopping import Stopping

Notes = Literal["short", "all", "none"]
"""How much is said below a table."""
NOTES: Final[tuple[Notes, ...]] = get_args(Notes)

STOPPED = (
    "The Δ of a row that is better or worse is too far from 0 on average, the more so the earlier it stopped: quote "
    "its interval, which holds whenever a row stops, rather than its Δ."
)
"""What is to be said of differences where seeds follow a stopping rule."""


FAILED = (
    "Where runs failed, a claim has to hold, too, with each pair that failed as far on the other side of 0 (or outside "
    "the margin) as the farthest of the others is on its own."
)
"""How what a row is called takes failures into account."""


P: Final = ("p", "p_adjusted", "p_holm", "verdict")
COMPARED: Final = (*P, "delta")
"""Columns of the CSV, or how they begin, that hold rows against their baseline; a verdict is by p."""


class Line(NamedTuple):
    """A line below a table; `mark` is the footnote's letter, or empty."""

    mark: str
    text: str


def below(table: Table, notes: Notes = "short", chosen: Sequence[str] = ()) -> list[Line]:
    """Return the lines below a table in order: footnotes, notes on its runs, what its figures mean, what is fixed.

    `short` keeps what a reader must beware of and says the rest in a few lines; `all` also tells how the runs were
    made, how everything is computed, and every fixed knob; `none` keeps the footnotes that marks refer to. Where
    columns are `chosen`, none that is left out is explained.
    """
    marked = [Line(footnote.mark, footnote.text) for footnote in table.footnotes]
    if notes == "none":
        return marked
    beware = table.notes[len(table.footnotes) :]  # the footnotes are the first
    cost = table.costs.notes if table.shows_costs else []
    if notes == "short":
        return marked + [Line("", text) for text in [*beware, *legend(table, chosen), *cost]]
    return marked + [Line("", text) for text in [*beware, *table.made, *full_legend(table, chosen), *cost]]


def legend(table: Table, chosen: Sequence[str] = ()) -> list[str]:
    """Say in a few lines what the figures mean, for a reader who knows the t-test."""
    count, rule, within = table.comparisons, table.stopping, ""
    side = "above" if table.metric.higher_is_better else "below"
    if table.margin is not None:
        within = f" Equivalent: two one-sided tests place Δ within ±{table.margin:g} {table.metric.points}; the "
        within += "two-sided interval may reach a little beyond."
    hold = f"each widened so that in 95 of 100 studies or more all {count} hold the truth"
    hold = hold if count > 1 else "which holds the truth in 95 of 100 studies"
    times = f", times {count} (so many chances to err), at most 1" if count > 1 else ""
    test, clear = f"paired t-test{times}", "p < 0.05, and so"
    advice = "Do not add seeds one by one until p falls, it would be wrong too often: `bam seeds` plans how many, and "
    advice += "--until-resolved adds fresh ones by a rule that allows for looking."
    if rule is not None:
        hold += ", whenever a row stops"
        test, clear = "paired t-test at the last look, and the limit there", "p at or below its limit, and so"
        advice = f"Seeds follow a rule declared before the first result: {rule}. Quote the interval rather than the Δ."
    said = f" p: {test}." if _shows(chosen, *P) else ""
    compared = [
        f"Δ: the row minus {_baseline(table)} at the same seed, {side} 0 is better; mean and 95 % interval, {hold}."
        f"{said}",
        f"Better or worse: {clear} the interval leaves out 0. No clear difference does not mean none: the true Δ may "
        f"be anything in the interval.{within}",
        *_best(table),
        advice,
    ]
    return [
        *_counts(table),
        f"{_what(table)} of the last epoch, mean ± standard deviation over n seeds.",
        *(compared if table.comparisons and _shows(chosen, *COMPARED) else ()),
        *(_published(table) if _shows(chosen, "published", "compatible") else ()),
        f"Fixed: {', '.join(_kinds(table.fixed))} (--notes all), and the train and test images: intervals speak of "
        "other seeds alone.",
    ]


def full_legend(table: Table, chosen: Sequence[str] = ()) -> list[str]:
    """Explain the columns and the counts that are not the paper's, then name every fixed knob."""
    lines = [*_counts(table), f"{_what(table)} of the last epoch, mean ± sample standard deviation (n seeds)."]
    if table.comparisons and _shows(chosen, *COMPARED):
        lines += _by_rule(table, table.stopping) if table.stopping else _by_number(table)
    lines += [FAILED] if table.counts_failures else []
    published = _published(table, full=True) if _shows(chosen, "published", "compatible") else []
    return [*lines, *_best(table), *published, f"Fixed: {fixed_facts(table.fixed)}."]


def _shows(chosen: Sequence[str], *names: str) -> bool:
    """Say whether one of the chosen columns is, or goes with, one of these; all are shown where none is chosen."""
    return not chosen or any(one == name or one.startswith(f"{name}_") for one in chosen for name in names)


def _what(table: Table) -> str:
    top1 = table.metric.name == "error_top1"
    return "Error: top-1 test error" if top1 else f"Figures: {table.metric.title} on the test set"


def _baseline(table: Table) -> str:
    slots = " and ".join(table.within)
    return f"the baseline of the same {slots}" if slots and not table.declared else repr(table.baselines[0])


def _kinds(fixed: Mapping[str, str]) -> list[str]:
    """Name what stands in the slots that a reader asks for first, and the recipe."""
    slots = ("dataset", "backbone", "attention", "placement")
    named = [fixed[slot] for slot in slots if slot in fixed]
    return [*named, *["the recipe"] * any(name.startswith("recipe.") for name in fixed)]


def _by_number(table: Table) -> list[str]:
    """Explain a table whose number of seeds was fixed beforehand."""
    count = table.comparisons
    adjusted = f", adjusted for {count} comparison{'s' * (count != 1)} (Bonferroni)"
    same = ""
    if table.margin is not None:
        same = f" It is equivalent where two one-sided tests place Δ within ±{table.margin:g} {table.metric.points} "
        same += f"(p < 0.05{adjusted})."
    each = f", each of level 1 − 0.05/{count}, so that in 95 of 100 studies all of them hold" if count > 1 else ""
    return [
        f"Δ: mean difference to {_baseline(table)} in {table.metric.difference}, paired by seed, with its t "
        f"interval{each}; p: paired t-test{adjusted}.",
        "A row is better or worse where p < 0.05, and its interval then leaves out 0. CSV and JSON have the 95 % "
        "interval of each row by itself, and Holm's p. `bam seeds` says how many seeds would tell a difference that "
        f"matters. Seeds added because of a look at this table make its p too small: confirm with fresh ones.{same}",
    ]


def _by_rule(table: Table, rule: Stopping) -> list[str]:
    """Explain a table whose seeds follow a stopping rule."""
    same = ""
    if table.margin is not None:
        same = " It is equivalent where two one-sided tests, held against limits of their own, place Δ within "
        same += f"±{table.margin:g} {table.metric.points}."
    shared = f"over {table.comparisons} comparisons (Bonferroni) and all looks"
    return [
        f"Seeds follow a rule declared before the first result: {rule}, {shared}; a row that is resolved gets no more.",
        f"Δ: mean difference to {_baseline(table)} in {table.metric.difference}, paired by seed, over the seeds of the "
        f"row's last look, with the repeated interval of the design, which holds {shared}.",
        "p: paired t-test at that look, in brackets the limit at or below which a row is better or worse there; "
        f"looking several times does not inflate its errors.{same}",
        STOPPED,
    ]


def _best(table: Table) -> list[str]:
    """Name the rows that are bold."""
    best = ", ".join(repr(row.label) for row in table.rows if row.best)
    return [f"Bold: no other row is shown to be better than these: {best}."] if best else []


def _published(table: Table, *, full: bool = False) -> list[str]:
    """Explain the paper's figures, and say how many of them are refused."""
    if all(row.published is None for row in table.rows):
        return []
    what = "error" if table.metric.name.startswith("error") else "figure"
    refused, held = table.refused
    count = f" {refused} of {held} refused; {held / 20:.2g} expected if all agree." if held else ""
    compatible = "one more run of ours could have given it. Its Δ: two more could have, and ours clearly has its sign."
    if full:
        compatible = (
            "within the 95 % prediction interval of one more run of ours, of at most ± 1 point. Its Δ: within that of "
            "the difference of two more runs, and the interval of our Δ leaves out 0 on the same side."
        )
    return [
        f"Published: the paper's {what} ({table.metric.unit}), one run as far as is known; compatible: "
        f"{compatible}{count}"
    ]


def _counts(table: Table) -> list[str]:
    """Say how many of the printed counts are reached, then each row that differs or of which something is known.

    Nothing where the paper prints no size.
    """
    if not table.prints_counts:
        return []
    answers = [count.equal for row in table.rows for count in (row.printed_params, row.printed_macs) if count]
    compared = [equal for equal in answers if equal is not None]
    lines = [
        "Counts: trainable parameters and multiply-accumulates of one image (the paper's GFLOPs), equal where ours "
        f"rounds to the printed digits, half up: {sum(compared)} of {len(compared)}."
    ]
    for row in table.rows:
        differing = [
            f"{name} published {count.printed} {unit}, counted {count.counted} {unit}"
            for name, unit, count in (("params", "M", row.printed_params), ("MACs", "G", row.printed_macs))
            if count is not None and count.equal is False
        ]
        if differing:
            lines.append(f"{row.label}: {'; '.join(differing)}. {row.note or 'Why is not known.'}")
        elif row.note:
            lines.append(f"{row.label}: {row.note}")
    return lines


def fixed_facts(fixed: Mapping[str, str]) -> str:
    """Write flat names as one line, slot by slot: `backbone small_resnet (depth 8, width 16); seed 0`.

    Left out is what says nothing: the kind in a slot that has one kind alone, as of recipes, and knobs that are None,
    which is off, or all there is.
    """
    slots: dict[str, dict[str, str]] = {}
    for name, value in fixed.items():
        slot, _, knob = name.partition(".")
        slots.setdefault(slot, {})
        if knob and value != "None":
            slots[slot][knob] = f"{knob} {value}"
    parts = []
    for slot, knobs in slots.items():
        texts = list(knobs.values()) if slot in fixed else _by_kind(slot, knobs)
        value = f" {fixed[slot]}" if slot in fixed and len(KINDS.get(slot, ("", ""))) > 1 else ""
        if texts or slot in fixed:
            parts.append(slot + value + (f" ({', '.join(texts)})" if texts else ""))
    return "; ".join(parts)


def _by_kind(slot: str, knobs: Mapping[str, str]) -> list[str]:
    """Return a slot's knobs as text, those that one kind alone has behind its name if there are two such kinds."""
    shared: list[str] = []
    alone: dict[str, list[str]] = {}
    for knob, text in knobs.items():
        owners = [kind for kind, spec in KINDS.get(slot, {}).items() if knob in {field.name for field in fields(spec)}]
        (alone.setdefault(owners[0], []) if len(owners) == 1 else shared).append(text)
    if len(alone) < 2:
        return list(knobs.values())
    return shared + [f"{kind}: {', '.join(texts)}" for kind, texts in alone.items()]
