"""Options: one spelling for what is equal, and no change once they are made."""

import copy
import pickle

import pytest

from lightning_bam.config import Options

GIVEN = {"eps": "1e-8", "betas": [0.9, 1.0], "amsgrad": "True", "how": " fast ", "steps": 2.0, "unset": None}


def test_text_lists_and_whole_numbers_have_one_spelling_and_names_are_in_order():
    options = Options(GIVEN)
    assert repr(options) == "{'amsgrad': True, 'betas': (0.9, 1), 'eps': 1e-08, 'how': 'fast', 'steps': 2}"
    assert [type(value) for value in options.values()] == [bool, tuple, float, str, int]
    same = Options({"steps": "2", "how": "fast", "eps": 1e-8, "betas": "0.9,1", "amsgrad": True, "no": "none"})
    assert options == same == dict(options)
    assert hash(options) == hash(same)
    assert options != Options({**options, "eps": 1e-7})


def test_they_survive_a_copy_and_cannot_be_changed():
    options = Options(GIVEN)
    assert pickle.loads(pickle.dumps(options)) == copy.deepcopy(options) == options
    with pytest.raises(TypeError, match="does not support item assignment"):
        options["eps"] = 1
    taken = dict(GIVEN)
    options = Options(taken)
    taken["eps"] = 1
    assert options["eps"] == 1e-8


@pytest.mark.parametrize(
    "value", [{}, [0.9], (), ["a", "b"], [0.9, True], [0.9, None], "a b", "", float("inf"), "-inf"]
)
def test_what_is_no_option_is_refused(value):
    with pytest.raises(ValueError, match=r"^eps=.*: give a number, true or false, a word, or numbers as 0\.9,0\.99$"):
        Options({"eps": value})


@pytest.mark.parametrize("name", ["", "a b", 3, "1st"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match=r"an option has a name, as eps$"):
        Options({name: 1})
