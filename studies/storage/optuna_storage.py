"""Where Optuna keeps the studies: a journal file under the runs folder, or PostgreSQL between hosts."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.result import headline
from studies.definition.study import Study
from studies.errors import StudyError
from studies.storage.checked_trials import MALFORMED, attributes, readable
from studies.storage.connection import engine_options
from studies.storage.journal import journal
from studies.storage.postgres import BEAT, GRACE, address, hide_password, outage, unreachable

FOREIGN: Final = (
    f"its tables are another Optuna's than {optuna.__version__}; give a database of its own, install the Optuna that "
    "made them, or, where this one is newer, end all work there and call `optuna storage upgrade --storage URL`"
)


class Database(RDBStorage):
    """Optuna's storage in a database; a trial that cannot be read counts as failed, where Optuna would read none."""

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:
        """Return a trial as it stands in the database, without attributes of other types than we write."""
        try:
            built: FrozenTrial = super()._build_frozen_trial_from_trial_model(trial)
            built.user_attrs, built.system_attrs = attributes(built.user_attrs), attributes(built.system_attrs)
            if built.state != TrialState.COMPLETE or (built.values and all(map(isfinite, built.values))):
                return built
        except MALFORMED:
            pass
        return FrozenTrial(
            trial_id=trial.trial_id,
            number=trial.number,
            state=TrialState.FAIL,
            value=None,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params={},
            distributions={},
            user_attrs={"why": "its trial in the database cannot be read"},
            system_attrs={},
            intermediate_values={},
        )

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's attributes, without those of other types than we write."""
        with readable(f"study {study_id}"):
            return attributes(super().get_study_user_attrs(study_id))


def open_storage(root: Path, url: str | None = None) -> BaseStorage:
    """Open the storage of the studies under `root`: its journal, or the database at `url`."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        if url is None:
            return journal(root)
    except OSError as error:
        line = f"{root}: cannot be written ({error.strerror}); choose another --root or set BAM_ROOT"
        raise FolderError(line) from None
    return database(url)


def close_storage(storage: BaseStorage) -> None:
    """Close the connections to a database, if it is one."""
    if isinstance(storage, RDBStorage):
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def quiet_heartbeat() -> Iterator[None]:
    """Silence what Optuna says of its heartbeat: that it is experimental, and not kept up by `ask` (we keep it up)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with")
        yield


def close_stale_trials(study: optuna.Study) -> None:
    """Fail the trials whose host has sent no heartbeat for long, unless the database was away and nobody could."""
    if outage.since() > GRACE:
        with quiet_heartbeat():
            fail_stale_trials(study)


def database(url: str) -> RDBStorage:
    """Open the database at `url`; `StudyError` for one that does not answer or is another Optuna's."""
    full = address(url)
    with quiet_heartbeat():
        for attempt in range(5):
            try:
                storage = Database(
                    full,
                    engine_kwargs=engine_options(),
                    heartbeat_interval=BEAT,
                    grace_period=GRACE,
                    skip_compatibility_check=True,  # it would leave its connection open
                )
                if storage.get_current_version() == storage.get_head_version():
                    return storage
                close_storage(storage)
                raise StudyError(f"--storage {hide_password(url)}: {FOREIGN}")
            except (SQLAlchemyError, StorageInternalError) as error:
                # two hosts that make the tables at the same time: one of them is refused, and finds them made
                made_twice = isinstance(error, DBAPIError) and "already exists" in str(error.orig)
                if attempt == 4 or not made_twice:
                    raise unreachable(url, error) from None
                time.sleep(0.5)
    raise AssertionError("the loop returns or raises")


def open_study(storage: BaseStorage, study: Study) -> optuna.Study:
    """Open the Optuna study of a study in `storage`, or begin it; `StudyError` if it was begun for other figures."""
    metric = headline(next(iter(study.rows.values())))
    optuna_study = optuna.create_study(
        storage=storage,
        study_name=study.label,
        sampler=optuna.samplers.RandomSampler(),  # never used: what is trained is given
        pruner=optuna.pruners.NopPruner(),
        direction="maximize" if metric.higher_is_better else "minimize",
        load_if_exists=True,
    )
    if len(optuna_study.directions) > 1 or (optuna_study.direction.name == "MAXIMIZE") != metric.higher_is_better:
        raise StudyError(
            f"{study.label}: its Optuna study was begun for other figures; use another --root or --storage"
        )
    if not optuna_study.user_attrs:
        optuna_study.set_user_attr("objective", f"{metric.name} in percent")
        optuna_study.set_user_attr("question", study.question)
        optuna_study.set_user_attr("fixed", study.fixed())
    return optuna_study
