"""What a template prints is escaped, whatever is in it."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from analysis.formats.columns import Column
from analysis.formats.legend import Line
from analysis.html.templates import breakable, escape, plain, render

HOSTILE = '</p><script>"it\'s"</script> & \x1b[31m\u202e'
SHOWN = "&lt;/p&gt;&lt;script&gt;&quot;it&#x27;s&quot;&lt;/script&gt; &amp; \\u001b[31m\\u202e"


def test_text_is_never_markup_and_control_characters_are_visible():
    assert escape(HOSTILE) == SHOWN
    assert escape(escape(HOSTILE)) == SHOWN
    assert escape(7) == "7"


def test_blanks_are_one_and_a_dotted_name_may_break():
    assert plain(" params\n (M) ") == "params (M)"
    assert breakable("attention.norm <1.5>") == "attention.<wbr>norm &lt;1.5&gt;"


def test_a_template_escapes_all_that_it_prints():
    column = Column(heading=HOSTILE, kind="label", cells=[HOSTILE])
    foot = [Line("a", HOSTILE)]
    html = render(
        "formats/table.html.j2",
        caption=HOSTILE,
        columns=[column],
        classes=[HOSTILE],
        foot=foot,
        breaks=[],
        goal=HOSTILE,
        note_prefix=HOSTILE,
    )
    assert "<script" not in html
    assert "\x1b" not in html
    assert html.count(SHOWN) == 6


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError, match="'caption' is undefined"):
        render("formats/table.html.j2")
