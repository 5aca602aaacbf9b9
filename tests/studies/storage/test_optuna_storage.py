"""The private names of psycopg and Optuna on which the storage depends; no server is needed."""

from __future__ import annotations

import inspect

import optuna
import psycopg
import sqlalchemy as sa
from optuna.trial import TrialState

from studies.storage.optuna_storage import Database


def test_psycopg_waits_where_the_deadline_is():
    assert list(inspect.signature(psycopg.Connection.wait).parameters)[:3] == ["self", "gen", "interval"]


def test_a_trial_that_cannot_be_read_counts_as_failed_and_the_others_are_read(tmp_path):
    storage = Database(f"sqlite:///{tmp_path / 'studies.db'}")
    study = optuna.create_study(storage=storage)
    for number in range(2):
        study.add_trial(optuna.create_trial(value=float(number), user_attrs={"key": f"k{number}"}))
    with storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE trial_user_attributes SET value_json = '{' WHERE trial_id = 1"))
    torn, whole = storage.get_all_trials(storage.get_study_id_from_name(study.study_name))
    assert (torn.number, torn.state, torn.user_attrs["why"]) == (
        0,
        TrialState.FAIL,
        "its trial in the database cannot be read",
    )
    assert (whole.number, whole.state, whole.value) == (1, TrialState.COMPLETE, 1.0)
    storage.remove_session()
    storage.engine.dispose()
