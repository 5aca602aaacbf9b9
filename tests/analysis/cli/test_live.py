"""What `bam run` shows in a terminal while it trains."""

import re

from tests.analysis.cli.conftest import TINY
from tests.terminal import in_a_terminal


def test_a_live_table_is_drawn_in_its_place_and_lines_stay_above_it(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    sent = in_a_terminal(["run", "tiny.py", "--seeds", "1", "--devices", "cpu:2", "--wandb", "off"], 100, tmp_path)
    assert "\\u001b" not in sent, "rich's own moves are no text of others"
    assert "\x1b[1A\x1b[2K" in sent, "a line up, and cleared: the table is drawn over itself"
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent).replace("\r", "\n")
    assert re.search(r"│ *(none|BAM) *│ *0 *│ *[012]/2 *│", drawn)
    assert "2 running · 0 to come" in drawn
    assert re.search(r"^1/2  (none|BAM) seed 0: error \d", drawn, flags=re.M)
    assert "tiny: 2 of 2 runs complete, 2 of them now" in drawn
