"""When the last run ends."""

import pytest

from analysis.cli.verbs.plan import spoken
from analysis.planning.measured import until_all_end


@pytest.mark.parametrize(
    ("hours", "slots", "end"), [([1, 2, 3], 1, 6), ([3, 2, 2, 1], 2, 4), ([1, 1, 4], 2, 5), ([2], 3, 2), ([], 2, 0)]
)
def test_each_run_begins_on_the_slot_that_is_free_first(hours, slots, end):
    assert until_all_end(hours, slots) == end


@pytest.mark.parametrize(
    ("hours", "words"), [(0, "1 s"), (0.01, "36 s"), (0.2, "12 min"), (3.42, "3.4 h"), (122.4, "5.1 days")]
)
def test_times_are_said_in_their_unit(hours, words):
    assert spoken(hours) == words
