"""What stands in a figure is what stands in the table: read back from the artists."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import combinations, product

import pandas as pd
import pytest
from matplotlib.markers import MarkerStyle
from scipy import stats

from analysis.plots.curves import chunks, curve, pairs
from analysis.plots.effects import effects, symbol
from analysis.plots.factorial import interaction, marginal
from analysis.plots.kinds import draw
from analysis.plots.ladder import limits
from analysis.plots.pareto import fronts_of, pareto
from analysis.plots.plot import NoPlot
from analysis.plots.published import published
from analysis.plots.seeds import seeds
from analysis.report.power import powers
from analysis.statistics.factorial import Factorial, Level
from analysis.statistics.factorial import factorial as factorial_of
from analysis.statistics.paired import prediction_interval
from analysis.statistics.power import least_resolvable
from analysis.statistics.sequential import limits as sequential_limits
from analysis.table.build import tabulate
from analysis.table.interim import Interim
from analysis.table.verdict import Verdict
from lightning_bam.config import metrics
from studies.definition.stopping import Stopping
from studies.records.records import gather
from tests.analysis.plots import sample_studies
from tests.analysis.plots.artists import clipped, labels, line, overlapping, points, texts
from tests.analysis.plots.sample_studies import complete
from tests.analysis.plots.test_every_kind import TWO, crossed

ERROR = metrics()["error_top1"]


def near(values):
    return pytest.approx(values, nan_ok=True)


class TestEffects:
    def test_means_and_intervals_stand_where_the_table_says(self, big):
        _, _, table = big
        (axes,) = effects(table).figure.axes
        rows = [row for row in table.rows if row.label != row.baseline]
        heights = []
        for row in rows:
            if row.delta is None:
                continue
            ((x, y),) = points(axes, f"_mean {row.label}")
            assert x == near(row.delta.mean)
            heights.append(y)
            if math.isfinite(row.delta.low):
                assert points(axes, f"_interval {row.label}") == [near((row.delta.low, y)), near((row.delta.high, y))]
        assert heights == sorted(heights), "in the study's order, from the top"
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert set(labels(axes, "_interval ")) == {row.label for row in rows if row.delta and row.delta.n > 1}

    def test_n_stands_beside_each_row_and_panels_have_headings(self, big):
        _, _, table = big
        (axes,) = effects(table).figure.axes
        beside = {text.get_position()[1]: text.get_text() for text in axes.texts if text.get_position()[0] == 1.03}
        rows = [row for row in table.rows if row.delta]
        assert [beside[points(axes, f"_mean {row.label}")[0][1]] for row in rows] == [str(row.delta.n) for row in rows]
        bold = [tick.get_text() for tick in axes.get_yticklabels() if tick.get_fontweight() == "bold"]
        assert bold == list(sample_studies.NETWORKS)
        assert "no pair yet" in [text.get_text() for text in axes.texts]

    def test_a_row_all_of_whose_seeds_have_failed_waits_for_no_pair(self, small):
        _, _, table = small
        lost = replace(table.rows[1], delta=None, verdict=Verdict(kind="failed"))
        (axes,) = effects(replace(table, rows=[table.rows[0], lost, *table.rows[2:]])).figure.axes
        texts = [text.get_text() for text in axes.texts]
        assert "failed" in texts
        assert "no pair yet" not in texts

    def test_verdicts_differ_in_shape_and_fill(self, small):
        _, _, table = small
        (axes,) = effects(table).figure.axes
        looks = {
            name: (line(axes, f"_mean {name}").get_marker(), line(axes, f"_mean {name}").get_markerfacecolor())
            for name in ("BAM sum", "BAM product")
        }
        assert looks == {"BAM sum": ("<", "#0072b2"), "BAM product": ("o", "white")}

    def test_a_better_map_points_to_the_right(self):
        better, worse = Verdict(kind="better"), Verdict(kind="worse")
        assert symbol(better, higher_is_better=True)["marker"] == ">"
        assert symbol(worse, higher_is_better=True)["marker"] == "<"
        settled = symbol(worse, higher_is_better=False)
        so_far, survived = replace(worse, n=2, wanted=5), replace(worse, n=4, wanted=5, failed=1)
        hollow = settled | {"markerfacecolor": "white"}
        assert symbol(so_far, higher_is_better=False) == hollow | {"label": "worse so far"}
        assert symbol(survived, higher_is_better=False) == hollow | {"label": "worse (some failed)"}

    def test_the_margin_is_shaded(self, small):
        study, records, table = small
        (axes,) = draw("effects", replace(study, margin=0.4), records, table).figure.axes
        assert [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches] == [(-0.4, 0.4)]
        assert (
            "Shaded: differences of at most 0.4 points"
            in draw("effects", replace(study, margin=0.4), records, table).caption
        )
        assert not effects(table).figure.axes[0].patches

    def test_the_caption_says_what_intervals_hold_for(self, small):
        _, _, table = small
        one, rule = replace(table, comparisons=1), Stopping(looks=(3, 5))
        assert "with its 95 % interval, which holds together with the others over 3 comparisons. " in (
            effects(table).caption
        )
        assert "with its 95 % interval. " in effects(one).caption
        assert (
            "with its repeated interval, which holds over all looks. " in effects(replace(one, stopping=rule)).caption
        )

    def test_an_interval_far_wider_than_the_others_is_cut_and_told(self, small):
        _, _, table = small
        rows = [
            replace(row, delta=replace(row.delta, low=-40.0, high=40.0)) if row.label == "BAM max" else row
            for row in table.rows
        ]
        drawn = effects(replace(table, rows=rows))
        (axes,) = drawn.figure.axes
        assert axes.get_xlim()[1] - axes.get_xlim()[0] < 20
        arrows = [one for one in axes.get_lines() if one.get_label() == "_arrow"]
        assert len(arrows) == 2
        for arrow, edge in zip(arrows, axes.get_xlim(), strict=True):  # it touched the row's label
            marker = MarkerStyle(arrow.get_marker())
            box = marker.get_path().transformed(marker.get_transform()).get_extents()
            assert list(arrow.get_xdata()) == [edge]
            assert (box.x0 if edge < 0 else -box.x1) == near(0), "it lies inside the frame"

    def test_an_interval_ends_where_no_difference_can_be(self, small):
        _, _, table = small
        wide = replace(table.rows[1].delta, n=2, low=-131.8, high=145.2)
        drawn = effects(replace(table, rows=[table.rows[0], replace(table.rows[1], delta=wide)]))
        (axes,) = drawn.figure.axes
        assert [x for x, _ in points(axes, "_interval BAM sum")] == [-100, 100]
        assert max(map(abs, axes.get_xlim())) < 115
        assert "BAM sum: −2.00 [−100.00, +100.00], n = 2" in drawn.alt

    def test_words(self, small):
        drawn = effects(small[2])
        assert drawn.alt == (
            "Forest plot of the difference in top-1 error to the baseline, in percentage points with intervals. "
            "BAM sum: −2.00 [−2.44, −1.56], n = 3, better. "
            "BAM product: −0.37 [−3.06, +2.33], n = 3, no clear difference. "
            "BAM max: +0.60 [−1.42, +2.62], n = 3, no clear difference."
        )
        assert "to 'none' at the same seed" in drawn.caption
        assert "holds together with the others over 3 comparisons" in drawn.caption


def test_limits_by_hand():
    assert limits([0.0, 1.0], []) == near((-0.06, 1.06))
    assert limits([0.0], [(-1.0, 1.0), (math.nan, math.nan)]) == near((-1.12, 1.12))
    assert limits([0.0, 1.0], [(-1.0, 1.0), (0.0, 2.0), (-99.0, 99.0)])[1] == near(3.5 + 0.06 * 6)  # 1 + 2.5 · 1
    assert limits([2.0], []) == (1.5, 2.5)


class TestPublished:
    def test_crosses_means_and_prediction_intervals(self, small):
        _, _, table = small
        drawn = published(table)
        (axes,) = drawn.figure.axes
        rows = {row.label: row for row in table.rows if row.published is not None}
        assert labels(axes, "_published ") == list(rows) == ["none", "BAM sum", "BAM max"]
        for label, row in rows.items():
            low, high = prediction_interval(sample_studies.ERRORS[label])
            ((x, y),) = points(axes, f"_published {label}")
            assert x == sample_studies.SMALL.published[label]
            assert points(axes, f"_mean {label}") == [near((row.mean, y))]
            assert points(axes, f"_interval {label}") == [near((low, y)), near((high, y))]
        assert "none: published 21.49, ours 22.00 [17.03, 26.97], n = 3, cannot tell." in drawn.alt

    def test_a_row_that_has_not_run_has_its_cross_alone(self, big):
        drawn = published(big[2])
        (axes,) = drawn.figure.axes
        last = list(sample_studies.ROWS)[-1]
        assert points(axes, f"_published {last}")
        assert last not in labels(axes, "_mean ")
        assert f"{last}: published 23.70, not run." in drawn.alt
        assert "0   not run" in [text.get_text() for text in texts(drawn.figure)]


class TestSeeds:
    def test_every_difference_and_mean(self, small):
        left, _ = seeds(small[2]).figure.axes
        for seed in range(3):
            name = f"seed {seed}"
            expected = [
                sample_studies.ERRORS[row][seed] - sample_studies.ERRORS["none"][seed]
                for row in ("BAM sum", "BAM product", "BAM max")
            ]
            assert [x for x, _ in points(left, name)] == near(expected)
            offsets = [y - place for place, (_, y) in enumerate(points(left, name))]
            assert offsets == near([offsets[0]] * 3)
            assert [offsets[0] < -0.1, offsets[0] > 0.1] == [seed == 0, seed == 2]
        assert [points(left, f"_mean {row.label}")[0][0] for row in small[2].rows[1:]] == near([-2.0, -1.1 / 3, 0.6])

    @pytest.mark.parametrize("apart", [0.0, 0.05, 0.1, 0.15])
    @pytest.mark.parametrize("count", [2, 4, 7])
    def test_no_mark_covers_another(self, small, apart, count):
        """Also not by half, and not that of another row."""
        _, _, table = small
        rows = [
            replace(row, errors={seed: 20.0 + (place > 0) * seed * apart for seed in range(count)})
            for place, row in enumerate(table.rows)
        ]
        figure = seeds(replace(table, rows=rows)).figure
        left = figure.axes[0]
        lines = [one for one in left.get_lines() if one.get_label().startswith("seed ")]
        spots = [72 / figure.dpi * spot for one in lines for spot in one.get_transform().transform(one.get_xydata())]
        assert len(spots) == 3 * count
        assert min(max(abs(a - b)) for a, b in combinations(spots, 2)) > 5  # a diamond of 3.6 points, edge and all

    def test_power(self, small):
        _, right = seeds(small[2]).figure.axes
        sd = {row.label: row.delta.sd for row in small[2].rows if row.delta}
        middle = sorted(sd.values())[1]
        curve = dict(points(right, "_median"))
        assert (min(curve), max(curve)) == (3, 20)
        for n in (3, 8, 20):
            assert curve[n] == near(least_resolvable(middle, n, comparisons=3))
        for label, spread in sd.items():
            assert points(right, f"_at hand {label}") == [near((3.0, least_resolvable(spread, 3, comparisons=3)))]
        assert right.get_title() == "at hand: n = 3"

    def test_by_a_stopping_rule_its_looks_are_drawn_and_rows_as_in_the_report(self, small, tmp_path):
        """The report's power table and the plot beside it told two numbers of one row: 0.65 and 0.34."""
        rule = Stopping(looks=(2, 3, 5))
        study = small[0].stopping_by(rule)
        for row, run in study.runs():
            if run.seed in (0, 1, 2):
                complete(tmp_path, run, sample_studies.ERRORS[row][run.seed], params=7, macs=11)
        records = gather(study, tmp_path)
        table = tabulate(records, study)
        drawn = seeds(table)
        _, right = drawn.figure.axes
        reported = {one.row.label: one for one in powers(table, records)}
        assert {one.row.interim.look for one in reported.values()} == {2}
        for label, one in reported.items():
            assert points(right, f"_at hand {label}") == [near((3.0, min(one.least, 100.0)))]
            assert one.least > 1.5 * least_resolvable(one.row.delta.sd, 3, comparisons=3)
        middle = sorted(one.row.delta.sd for one in reported.values())[1]
        held = sequential_limits(rule.looks, 0.05 / 3)
        least = {n: least_resolvable(middle, n, level=p) for n, p in zip(rule.looks, held, strict=True)}
        assert dict(points(right, "_median")) == {n: near(value) for n, value in least.items()}
        told = f"by 2 seeds nothing, 3 seeds {least[3]:.3g}, 5 seeds {least[5]:.3g}."
        assert drawn.alt.endswith(told)
        assert "at the limit of each look (looks at 2, 3, 5 seeds, obrien-fleming spending of 0.05" in drawn.caption

    def test_by_a_stopping_rule_the_seeds_of_the_last_look_are_drawn(self, small):
        """A bar at +1.00 stood behind points at +1, +1 and +4: the third seed waits for the next look."""
        _, _, table = small
        base, one = replace(table.rows[0], errors={0: 20.0, 1: 20.0, 2: 20.0}), table.rows[1]
        delta = replace(one.delta, n=2, mean=1.0)
        look = Interim(outcome="open", look=1, wanted=3, looked=(0, 1), delta=delta)
        row = replace(one, errors={0: 21.0, 1: 21.0, 2: 24.0}, delta=delta, interim=look)
        ruled = replace(table, rows=[base, row], stopping=Stopping(looks=(2, 3)), comparisons=1)
        drawn = seeds(ruled)
        assert f"{row.label}: +1.00, +1.00." in drawn.alt
        left, *_ = drawn.figure.axes
        assert points(left, f"_mean {row.label}")[0][0] == near(1.0)
        assert labels(left, "seed ") == ["0", "1"]

    def test_seeds_that_resolve_no_difference_that_there_can_be(self, small):
        _, _, table = small
        spreads = {"BAM sum": 0.5, "BAM product": 10.0, "BAM max": 14.0}
        rows = [
            row if row.label == "none" else replace(row, delta=replace(row.delta, n=2, sd=spreads[row.label]))
            for row in table.rows
        ]
        drawn = seeds(replace(table, rows=rows))
        least = {n: least_resolvable(10.0, n, comparisons=3) for n in (2, 3, 5, 10, 20)}
        assert least[2] > 100 > least[3]
        resolved = ", ".join(f"{n} seeds {one:.3g}" for n, one in least.items() if n > 2)
        assert drawn.alt.endswith(
            f"At the median spread of 10.00 points these differences are resolved: by 2 seeds nothing, {resolved}."
        )
        _, right = drawn.figure.axes
        assert right.get_ylim()[1] < 125
        at_hand = {name: line(right, f"_at hand {name}") for name in spreads}
        assert [one.get_marker() for one in at_hand.values()] == ["o", "^", "^"]
        assert at_hand["BAM max"].get_ydata()[0] == 100

    def test_without_a_spread_there_is_no_power_to_draw(self, small):
        _, _, table = small
        one = [
            row if row.delta is None else replace(row, delta=replace(row.delta, n=1, sd=math.nan)) for row in table.rows
        ]
        drawn = seeds(replace(table, rows=one))
        assert len(drawn.figure.axes) == 1
        assert drawn.alt.endswith("No row has two paired seeds yet, so nothing is known of its spread.")


class TestPareto:
    def test_points_and_bars(self, small):
        left, right = pareto(small[2]).figure.axes
        for row in small[2].rows:
            for axes, x in ((left, row.params / 1e6), (right, row.macs / 1e6)):
                assert points(axes, f"_mean {row.label}") == [near((x, row.mean))]
                assert points(axes, f"_sd {row.label}") == [near((x, row.mean - row.sd)), near((x, row.mean + row.sd))]

    def test_the_front_by_hand(self, small):
        _, _, table = small

        def front(means, costs, **changes):
            rows = [
                replace(row, mean=mean, params=cost, **changes)
                for row, mean, cost in zip(table.rows, means, costs, strict=True)
            ]
            return [[row.label for row in one] for one in fronts_of(replace(table, rows=rows), "params")]

        assert front([22, 20, 21, 19], [1, 2, 3, 4]) == [["none", "BAM sum", "BAM max"]]
        assert front([22, 20, 22, 22], [1, 1, 1, 2]) == [["BAM sum"]], (
            "of equal cost the better, of equal figure the cheaper"
        )
        higher = replace(table, metric=metrics()["map_50_95"])
        assert [row.label for row in fronts_of(higher, "params")[0]] == ["none", "BAM max"]

    def test_rows_that_all_cost_the_same_have_no_trade_off(self, small):
        _, _, table = small
        same = [replace(row, params=81_000, macs=7_440_000) for row in table.rows]
        assert pareto(replace(table, rows=same)) == NoPlot(
            "all rows cost the same, 0.081 M params, 7.44 M MACs: there is no trade-off to show"
        )
        other = replace(table, rows=[*same[:-1], replace(same[-1], macs=7_500_000)])
        assert len(pareto(other).figure.axes) == 2

    @pytest.mark.parametrize(("macs", "told"), [(4_960_000, "4.96 M MACs"), (4_960_000_000, "4.96 G MACs")])
    def test_words_give_macs_in_the_unit_of_the_axis(self, small, macs, told):
        _, _, table = small
        drawn = pareto(replace(table, rows=[replace(table.rows[0], macs=macs), *table.rows[1:]]))
        assert f"0.078 M params, {told}" in drawn.alt
        assert drawn.figure.axes[1].get_xlabel().endswith(f"({told.split()[1]})")

    def test_the_key_has_every_row_and_no_two_marks_are_alike(self, big):
        figure = pareto(big[2]).figure
        (legend,) = figure.legends
        labels = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
        assert labels[:2] == ["ResNet50", "+ BAM after every stage but last"]
        looks = {(one.get_marker(), one.get_color(), one.get_markerfacecolor()) for one in legend.legend_handles}
        assert len(looks) == len(labels) == 19
        assert figure.axes[0].get_xscale() == "log"

    def test_panels_of_different_data_have_a_front_each(self, big):
        _, _, table = big
        assert len(fronts_of(table, "macs")) == 1
        fronts = fronts_of(replace(table, within=("backbone", "dataset")), "macs")
        assert [{row.baseline for row in front} for front in fronts] == [{name} for name in sample_studies.NETWORKS]


class TestCurves:
    def test_mean_and_band_by_hand(self, small):
        _, records, _ = small
        found = curve([record for record in records if record.row == "none"], "error_top1")
        assert list(found.index) == [1, 2, 3, 4]
        assert list(found["mean"]) == near([22 + 58 * 27 / 64, 22 + 58 / 8, 22 + 58 / 64, 22.0])
        assert list(found.iloc[-1]) == [22.0, 21.0, 23.0]

    def test_a_single_epoch_has_a_single_tick(self, small):
        _, _, table = small
        found = {
            row.label: (one := pd.DataFrame({"mean": 2.0, "min": 1.5, "max": 2.5}, index=[1]), one)
            for row in table.rows
        }
        for axes in pairs(table, found).axes:
            low, high = axes.get_xlim()
            assert [float(tick) for tick in axes.get_xticks() if low <= tick <= high] == [1.0]

    def test_lines_are_drawn_from_them(self, small):
        _, records, table = small
        left, right = draw("curves", *small).figure.axes
        for row in table.rows:
            mine = [record for record in records if record.row == row.label]
            assert points(right, f"_test {row.label}")[-1] == near((4.0, row.mean))
            assert [y for _, y in points(left, f"_loss {row.label}")] == near(list(curve(mine, "train_loss")["mean"]))
        legend = right.get_legend()
        last = sorted(table.rows, key=lambda row: row.mean, reverse=True)
        assert [text.get_text() for text in legend.get_texts()] == [row.label for row in last]
        for row, key in zip(last, legend.legend_handles, strict=True):
            shown = line(right, f"_test {row.label}")
            looks = [(one.get_color(), one.get_linestyle(), one.get_marker()) for one in (key, shown)]
            assert looks[0] == looks[1]

    def test_an_epoch_that_some_run_did_not_score_is_left_out(self, small):
        _, records, _ = small
        one, two = (replace(record) for record in records if record.row == "none" and record.run.seed < 2)
        one.__dict__["metrics"] = [{"epoch": 0, "train_loss": 2.0}, {"epoch": 1, "train_loss": 1.0, "error_top1": 30.0}]
        two.__dict__["metrics"] = [{"epoch": 0, "error_top1": 50.0}, {"epoch": 1, "error_top1": 40.0}]
        assert curve([one, two], "error_top1")["mean"].to_dict() == {2: 35.0}
        assert curve([one, two], "loss").empty

    def test_rows_without_a_complete_run_are_named(self, big):
        drawn = draw("curves", *big)
        assert drawn.caption.endswith("No complete run: SmallResNet + BAM r=4.")
        assert "n = 1 to 5 seeds" in drawn.caption

    def test_many_rows_share_axes_by_six_with_the_baseline_again(self, small):
        _, _, table = small
        rows = [replace(table.rows[1], label=f"row {place}") for place in range(8)]
        wide = replace(table, rows=[table.rows[0], *rows])
        found = dict.fromkeys(["none", *(row.label for row in rows)])
        assert chunks(wide, found) == [
            ["none", *(f"row {place}" for place in range(6))],
            ["none", "row 6", "row 7"],
        ]


class TestFactorial:
    def test_marginal_means(self):
        factorial = crossed(TWO)
        axes = marginal(factorial, ERROR).figure.axes
        assert [one.get_title() for one in axes] == list(TWO)
        for one, factor in zip(axes, TWO, strict=True):
            for at, level in enumerate(level for level in factorial.levels if level.factor == factor):
                assert points(one, f"_mean {level.level}") == [(at, level.mean)]
                assert points(one, f"_interval {level.level}") == [(at, level.low), (at, level.high)]
            assert one.get_xlabel() == "n = 15 each"

    def test_unequal_numbers_of_runs_stand_at_each_level(self):
        factorial = crossed(TWO)
        uneven = replace(factorial, levels=[replace(factorial.levels[0], n=4), *factorial.levels[1:]])
        first = marginal(uneven, ERROR).figure.axes[0]
        assert [tick.get_text() for tick in first.get_xticklabels()] == ["sum\n(4)", "product\n(15)", "max\n(15)"]

    @pytest.mark.parametrize("draw", [marginal, interaction])
    def test_names_of_levels_are_folded_between_words_alone(self, draw):
        factors = {"placement": ("after_stages", "every_block"), "norm": ("a b", "many short words", "squeezenet1_1")}
        cells = {cell: {0: 20.0 + place, 1: 21.0} for place, cell in enumerate(product(*factors.values()))}
        figure = draw(factorial_of(cells, factors), ERROR).figure
        axes = [[text.get_text() for text in one.get_xticklabels()] for one in figure.axes]
        assert axes[0] == ["after_\nstages", "every_\nblock"]
        assert axes[1:] in ([], [["a b", "many short\nwords", "squeezenet1_\n1"]])
        assert overlapping(figure) == clipped(figure) == []

    def test_ticks_do_not_change_once_the_figure_is_laid_out(self):
        means = {
            "combine": ((20.05, 0.155, 43), (20.02, 0.18, 30), (19.96, 0.145, 45)),
            "norm": ((19.91, 0.17, 38), (19.99, 0.16, 40), (20.13, 0.16, 40)),
            "init": ((19.69, 0.15, 45), (20.26, 0.15, 45), (20.11, 0.19, 28)),
        }
        levels = [
            Level(factor=factor, level=str(at), n=n, mean=mean, low=mean - half, high=mean + half)
            for factor, found in means.items()
            for at, (mean, half, n) in enumerate(found)
        ]
        factors = dict.fromkeys(means, ("0", "1", "2"))
        made = Factorial(factors=factors, levels=levels, interactions=[], anova=[], importance={}, gaps=[])
        figure = marginal(made, ERROR).figure
        assert [text.get_text() for text in figure.axes[0].get_yticklabels()][:2] == ["19.4", "19.6"]
        assert clipped(figure) == [], "outside the settings that it was drawn with, too"

    def test_interaction(self):
        factorial = crossed(TWO)
        holes = dict(factorial.interactions[0].means) | {("product", "hidden"): math.nan}
        told = "no run at combine=product, norm=hidden"
        lacking = replace(factorial, interactions=[replace(factorial.interactions[0], means=holes)], gaps=[told])
        drawn = interaction(lacking, ERROR)
        (axes,) = drawn.figure.axes
        assert points(axes, "ends") == [near((-0.04, 20.0)), near((0.96, 20.5)), near((1.96, 21.0))]
        assert points(axes, "hidden") == [near((0.04, 19.75)), near((1.04, math.nan)), near((2.04, 20.75))]
        assert axes.get_title() == "n = 5 each"
        assert drawn.caption.endswith(f" Gaps: {told}.")
        assert "product and hidden" not in drawn.alt

    def test_ticks_that_change_while_the_figure_is_laid_out_have_room(self):
        factors = {"placement": ("after", "every"), "combine": ("sum", "product", "max"), "norm": ("ends", "hidden")}
        noise = random.Random(1)
        cells = {
            cell: {
                seed: 20 + noise.gauss(0, 0.6) + (cell[:2] == ("every", "max")) * 1.5 + 0.3 * seed for seed in range(3)
            }
            for cell in product(*factors.values())
        }
        assert clipped(interaction(factorial_of(cells, factors), ERROR).figure) == []

    def test_an_interaction_has_a_bar_a_point_that_may_span_several_cells(self):
        factors = {"a": ("x", "y"), "b": ("x", "y"), "c": ("x", "y")}
        cells = {
            cell: {s: 20.0 + (7 * at + 3 * s) % 5 for s in (0, 1)} for at, cell in enumerate(product("xy", "xy", "xy"))
        }
        found = factorial_of(cells, factors)
        drawn = interaction(found, ERROR)
        residual = found.anova[-1]
        half = stats.t.ppf(0.975, residual.df) * math.sqrt(residual.sum_of_squares / residual.df / 4)
        axes = drawn.figure.axes[0]
        ends = [points for one in axes.get_lines() if one.get_label() == "_interval x" for points in [one.get_xydata()]]
        means = [found.interactions[0].means[at, "x"] for at in "xy"]
        assert [tuple(end[:, 1]) for end in ends] == [near((mean - half, mean + half)) for mean in means]
        assert [one.get_title() for one in drawn.figure.axes] == ["n = 4 each"] * 3

    def test_the_caption_says_what_the_means_are_and_what_is_left_out(self):
        lacking = replace(crossed(TWO), left_out={"none": ("attention.norm",)})
        said = marginal(lacking, ERROR).caption
        assert said.startswith(
            "Estimated marginal means: of the additive model (all factors, and the seeds), equal weights over the "
            "other factors' levels. "
        )
        assert said.endswith(" not to foretell other seeds. Left out: row 'none', without attention.norm.")
        assert "Across gaps" not in said

    def test_means_that_the_runs_cannot_tell_are_not_drawn(self):
        cells = {("sum", "ends"): {0: 20.0, 1: 21.0}, ("max", "both"): {0: 22.0, 1: 23.5}}
        found = marginal(factorial_of(cells, {"a": ("sum", "max"), "b": ("ends", "both")}), ERROR)
        assert found == NoPlot(
            "no run at a=sum, b=both; no run at a=max, b=ends; no marginal mean at a=sum, max; b=ends, both: these "
            "runs do not connect the levels"
        )


def test_where_higher_is_better_the_words_say_so(small):
    _, _, table = small
    drawn = effects(replace(table, metric=metrics()["map_50_95"]))
    assert drawn.figure.axes[0].get_xlabel() == "Δ mAP@[.5:.95] (percentage points)\n← worse\u2003\u2003better →"
    assert "Right of the line at 0 is better." in drawn.caption
    assert "Left of the line at 0 is better." in effects(table).caption
    assert "no row that costs as little is higher" in pareto(replace(table, metric=metrics()["map_50_95"])).caption


def test_labels_are_shown_as_they_are_written(small):
    _, _, table = small
    odd = "SE_r8 <light> $x$ & 5%"
    rows = [replace(row, label=odd) if row.label == "BAM max" else row for row in table.rows]
    svg = effects(replace(table, rows=rows)).as_bytes("svg").decode()
    assert "SE_r8 &lt;light&gt; $x$" in svg
