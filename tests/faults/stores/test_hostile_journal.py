"""A journal and an Optuna database that somebody else has written to: no file is removed, no study is stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.cli.verbs.search import as_json, provenance
from lightning_bam.config import BAMSpec
from lightning_bam.run_folder.files import FolderError
from studies import Space, StudyError
from studies.search.method import Method
from studies.search.run_search import best
from studies.search.search import Search
from studies.search.trials import troubles
from tests.faults.stores.conftest import call
from tests.studies.conftest import BASE
from tests.studies.search.surrogate import drive

SIX = Space(
    name="six",
    question="Which BAM?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={"attention.reduction": ("2", "4"), "attention.combine": ("sum", "max", "product")},
)
NAMES = ("../../beside/token", "/etc/hostname", "../token", "", ".", "a\0b", "x" * 5000, 7, None, ["a"], {"a": 1})


def opened(trials=3, url=None):
    return Search(Path("runs"), SIX, Method(trials=trials, sampler="random"), url)


def searched(trials=3, url=None):
    """Make a search and some of its trials."""
    search = opened(trials, url)
    drive(search, lambda run, epoch: 40.0 + run.attention.reduction)
    search.close()


def journal():
    """Open the journal as any Optuna tool does."""
    return JournalStorage(JournalFileBackend("runs/studies.journal"))


def append(*entries):
    with Path("runs/studies.journal").open("a") as file:
        for entry in entries:
            file.write((entry if isinstance(entry, str) else json.dumps(entry)) + "\n")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()


def test_an_owner_s_name_removes_no_file(home, canary):
    searched()
    study = optuna.load_study(study_name="search+six", storage=journal())
    for name in NAMES:
        study.ask().set_user_attr("owner", name)
    search = opened(6)
    assert search.remaining == 3, "they were interrupted, and are asked for again"
    search.close()
    canary.unharmed()


def test_a_key_leads_to_no_folder_outside(runs, canary):
    assert call("run", "mine.py", "--wandb", "off") == 0
    study = optuna.load_study(study_name="tiny", storage=journal())
    for name in NAMES:
        trial = study.ask()
        trial.set_user_attr("key", name)
        trial.set_user_attr("home", "elsewhere")
    for words in (["run", "mine.py", "--wandb", "off"], ["status", "mine.py"]):
        assert call(*words) in (0, 1), words
    assert "tiny: 4 of 4 runs complete" in canary.unharmed()
    assert not study.get_trials(states=(TrialState.RUNNING,)), "nobody trains them"


OTHER = {"worker_id": "theirs", "study_id": 0}
ENTRIES = [
    [],
    5,
    {},
    {"op_code": 99, "worker_id": "theirs"},
    {"op_code": "0", **OTHER},
    {"op_code": 0, "worker_id": "theirs", "study_name": 7, "directions": [1]},
    {"op_code": 0, "worker_id": "theirs", "study_name": "x", "directions": [77]},
    {"op_code": 0, "worker_id": "theirs"},
    {"op_code": 2, **OTHER, "user_attr": [1]},
    {"op_code": 2, **OTHER, "user_attr": {"searched": 5}},
    {"op_code": 2, **OTHER, "user_attr": {"workers": "many"}},
    {"op_code": 2, **OTHER, "user_attr": {"a": 1, "b": 2}},
    {"op_code": 3, **OTHER, "system_attr": "x"},
    {"op_code": 4, **OTHER, "datetime_start": "yesterday"},
    {"op_code": 4, **OTHER, "datetime_start": None, "user_attrs": [1]},
    {"op_code": 4, **OTHER, "datetime_start": None, "user_attrs": {"again": ["x"]}},
    {"op_code": 4, **OTHER, "datetime_start": None, "system_attrs": {"fixed_params": 5}, "state": 4},
    {"op_code": 4, **OTHER, "datetime_start": None, "state": 1},
    {"op_code": 4, **OTHER, "datetime_start": None, "state": 1, "values": ["x"]},
    {"op_code": 4, **OTHER, "datetime_start": None, "state": 1, "values": [10**400]},
    {"op_code": 4, **OTHER, "datetime_start": None, "state": 99},
    {"op_code": 4, **OTHER, "datetime_start": None, "params": {"a": 1}, "distributions": {"a": "[]"}},
    {"op_code": 4, **OTHER, "datetime_start": None, "params": {"a": 9}, "distributions": {}},
    {"op_code": 4, **OTHER, "study_id": [0], "datetime_start": None},
    {"op_code": 5, "worker_id": "theirs", "trial_id": {}, "param_name": "x"},
    {
        "op_code": 5,
        "worker_id": "theirs",
        "trial_id": 3,
        "param_name": "x",
        "param_value_internal": [],
        "distribution": "{",
    },
    {"op_code": 6, "worker_id": "theirs", "trial_id": 3, "state": 1, "values": {"x": 1}},
    {"op_code": 6, "worker_id": "theirs", "trial_id": 3, "state": 1, "values": None},
    {"op_code": 7, "worker_id": "theirs", "trial_id": 3, "step": [], "intermediate_value": 1.0},
    {"op_code": 7, "worker_id": "theirs", "trial_id": 3, "step": 1, "intermediate_value": "x"},
    {"op_code": 8, "worker_id": "theirs", "trial_id": 3, "user_attr": {"key": ["x"]}},
    {"op_code": 8, "worker_id": "theirs", "trial_id": 3, "user_attr": 1},
]


def test_entries_that_optuna_cannot_have_written_are_passed_over(home, canary):
    """Here, after three complete trials, a fourth that is open: number 3."""
    searched()
    good = opened(3)
    told = as_json(good)
    good.close()
    optuna.load_study(study_name="search+six", storage=journal()).ask()
    for entry in ENTRIES:
        append(entry)
    canary.capsys.readouterr()
    search = opened(6)
    drive(search, lambda run, epoch: 40.0 + run.attention.reduction)
    assert search.remaining == 0
    complete = {trial.user_attrs["key"]: trial.value for trial in search.optuna.get_trials() if trial.value is not None}
    assert complete.items() >= {trial["key"]: trial["held_out_error_top1"] for trial in told}.items()
    assert provenance(search) == "search+six (6 trials: 6 by random, pruner none)"
    search.close()
    assert call("studies", "--json") == 0
    said = canary.unharmed()
    assert said.count("entries that Optuna cannot have written are passed over") == 1


def test_a_running_search_stumbles_over_nothing_that_is_appended(home, canary):
    search, keys = opened(6), set()
    for number, entry in enumerate(ENTRIES):
        append(entry)
        if number % 6 == 0:
            trial, cell = search.claim()
            keys.add(cell.run.key)
            search.complete(trial, 50.0)
    assert {trial.user_attrs["key"] for trial in best(search, 6)} == keys
    append("[" * 100_000)
    with pytest.raises(FolderError, match="studies.journal: torn, or not Optuna's journal"):
        search.optuna.get_trials()
    canary.unharmed()


@pytest.mark.parametrize(
    "values",
    [
        {"attention.reduction": "-1"},
        {"attention.reduction": "2", "attention.combine": "x"},
        {"attention.reduction": 2},
        {"recipe.epochs": "1000000"},
        {"dataset.root": "/etc"},
        {"attention.reduction": ["2"]},
    ],
)
def test_values_that_are_none_of_a_space_s_are_never_trained(home, canary, values):
    searched()
    study = optuna.load_study(study_name="search+six", storage=journal())
    study.enqueue_trial(values)
    search = opened(7)
    asked = []
    while (taken := search.claim()) is not None:
        trial, cell = taken
        asked.append(cell.run)
        search.complete(trial, 50.0)
    assert {run.recipe.epochs for run in asked} == {2}
    assert {run.attention.reduction for run in asked} <= {2, 4}
    why = troubles(search.optuna.get_trials())
    if set(values) <= set(SIX.choices):
        assert "it was asked for with values that are none of this space's" in why
    search.close()
    canary.unharmed()


def test_a_complete_trial_with_values_of_no_search_is_one_line(home, canary):
    searched()
    study = optuna.load_study(study_name="search+six", storage=journal())
    params = {"recipe.epochs": 100_000}
    ranges = {"recipe.epochs": optuna.distributions.IntDistribution(1, 10**6)}
    attrs = {"key": SIX.run({"recipe.epochs": 100_000}).key}
    study.add_trial(optuna.create_trial(params=params, distributions=ranges, value=0.0, user_attrs=attrs))
    with pytest.raises(StudyError, match="trial 3 has values that are none of this space's; give the space another"):
        opened()
    canary.unharmed()


def test_an_account_for_other_figures_is_one_line(home, canary):
    optuna.create_study(study_name="search+six", storage=journal(), directions=["minimize", "minimize"])
    with pytest.raises(StudyError, match=r"search\+six: was begun to minimize and minimize, not to minimize; give"):
        opened()
    Path("mine.py").write_text("from tests.studies.conftest import tiny\nSTUDY = tiny()\n")
    optuna.create_study(study_name="tiny", storage=journal(), direction="maximize")
    assert call("run", "mine.py", "--wandb", "off") == 2
    assert "tiny: its Optuna study was begun for other figures" in canary.unharmed()


RULES = [
    "[" * 100_000,
    "{}",
    "[]",
    '"x"',
    "null",
    '{"schema": 1}',
    '{"schema": 1, "rows": [], "seeds": {}}',
    "{",
    "NaN",
]


@pytest.mark.parametrize("text", RULES)
def test_another_study_s_rule_stops_nobody(runs, canary, text):
    Path("runs/rules").mkdir()
    Path("runs/rules/other.json").write_text(text)
    assert call("table", "mine.py") == 0
    told = canary.unharmed()
    if text not in ("{}",):
        assert told.count("bam: passed over: runs/rules/other.json: ") == 1
    Path("runs/rules/other.json").rename("runs/rules/tiny.json")
    assert call("table", "mine.py") in (0, 2)
    assert canary.unharmed().count("\n") == 1 or text in ("{}",)
