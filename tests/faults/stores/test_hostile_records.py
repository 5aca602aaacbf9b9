"""Rows of a shared PostgreSQL that somebody else has written: no file is written, no study but its own is stopped."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path

import optuna
import psycopg
import pytest

from lightning_bam.run_folder.files import LARGEST
from lightning_bam.run_folder.folder import RunFolder
from studies.coordination.leases import Leases
from studies.coordination.registry import STORED, UNPACKED, open_registry
from studies.coordination.sync import LINE, LOG_TAIL, fetch, gather_everywhere, mark_elsewhere, pack, whole
from studies.records.records import gather
from studies.stopping_rules.declaration import with_rule
from studies.storage.optuna_storage import close_storage, database
from tests.analysis.synthetic import finish
from tests.faults.stores.conftest import call, listing
from tests.studies.conftest import BASE, tiny

ABSENT = "0" * 16
HUGE = 10**400


@pytest.fixture
def base(postgres, tmp_path, monkeypatch):
    """Be where `mine.py` asks for one run, `other.py` for two, and the database has both of `other.py`'s."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from tests.studies.conftest import BASE, tiny\nSTUDY = tiny(rows={'none': BASE}, scientific=(), seeds=1)\n"
    )
    Path("other.py").write_text(
        "from tests.studies.conftest import tiny\nfrom dataclasses import replace\n"
        "STUDY = tiny(name='other', seeds=(5,))\n"
    )
    for cell in tiny(seeds=(5,)).runs():
        finish(tmp_path / "there", cell.run, 12.5)
    assert call("run", "other.py", "--root", "there", "--storage", postgres, "--wandb", "off") == 0
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield postgres, connection


@pytest.fixture
def good(tmp_path):
    """Return a record that is whole."""
    return pack(finish(tmp_path / "good", BASE, 12.5))


def put(connection, content, **columns):
    """Write the row of `mine.py`'s run."""
    record = content if isinstance(content, bytes | None) else gzip.compress(json.dumps(content).encode())
    row = {"key": BASE.key, "state": "complete", "record": record, **columns}
    connection.execute("delete from bam_runs where key = %s", [row["key"]])
    names = ", ".join(row)
    connection.execute(f"insert into bam_runs ({names}) values ({', '.join(['%s'] * len(row))})", [*row.values()])


def changed(record, name, **entries):
    return record | {name: record[name] | entries}


def lines(record, **entries):
    """Change the last epoch, and the result with it."""
    first, last, _ = record["metrics.jsonl"].split("\n")
    return record | {"metrics.jsonl": f"{first}\n{json.dumps(json.loads(last) | entries)}\n"}


SPOILED = {
    "a file elsewhere": lambda r: r | {"../../beside/token": "x"},
    "an absolute path": lambda r: r | {str(Path("beside/token").absolute()): "x"},
    "a hidden file": lambda r: r | {".bashrc": "x"},
    "another file": lambda r: r | {"study.py": "x"},
    "a log elsewhere": lambda r: r | {"../rank0.log": "x"},
    "a checkpoint": lambda r: r | {"checkpoints/last.ckpt": "x"},
    "a text for an object": lambda r: r | {"manifest.json": "x"},
    "an object for a text": lambda r: r | {"rank0.log": {"x": 1}},
    "a number for a text": lambda r: r | {"metrics.jsonl": 5},
    "a long log": lambda r: r | {"rank0.log": "x" * (LOG_TAIL + 1)},
    "many logs": lambda r: r | {f"rank{number}.log": "x" for number in range(1000)},
    "a long line": lambda r: r | {"metrics.jsonl": r["metrics.jsonl"].replace("{", "{" + " " * LINE)},
    "many lines": lambda r: r | {"metrics.jsonl": '{"epoch": 0}\n' * 1000},
    "another run": lambda r: changed(r, "run.json", key=ABSENT),
    "no run": lambda r: r | {"run.json": {"key": BASE.key}},
    "another run by this key": lambda r: changed(r, "run.json", run=r["run.json"]["run"] | {"seed": 9}),
    "a run that is none": lambda r: changed(r, "run.json", run=[]),
    "attempts that are none": lambda r: changed(r, "manifest.json", attempts="x"),
    "an attempt that is none": lambda r: changed(r, "manifest.json", attempts=[5]),
    "a host that is none": lambda r: changed(r, "manifest.json", host=["x"]),
    "a date that is none": lambda r: changed(r, "manifest.json", ended="yesterday"),
    "a nonce that is none": lambda r: changed(r, "manifest.json", nonce=5),
    "studies that are none": lambda r: changed(r, "manifest.json", studies={"x": 5}),
    "losses below none": lambda r: changed(r, "manifest.json", losses=-1),
    "a great many losses": lambda r: changed(r, "manifest.json", losses=HUGE),
    "hashes that are none": lambda r: changed(r, "manifest.json", sha256="x"),
    "a text that no file holds": lambda r: r | {"rank0.log": "\ud800"},
    "figures that are none": lambda r: changed(lines(r, error_top1="x"), "result.json", error_top1="x"),
    "figures that no float holds": lambda r: changed(lines(r, error_top1=HUGE), "result.json", error_top1=HUGE),
    "lists": lambda r: [],
    "a number": lambda r: 5,
    "nothing": lambda r: None,
    "no gzip": lambda r: b"no gzip",
    "half a gzip": lambda r: gzip.compress(json.dumps(r).encode())[:-9],
    "no JSON": lambda r: gzip.compress(b"{"),
    "no UTF-8": lambda r: gzip.compress(b'{"run.json": "\xff"}'),
    "deep lists": lambda r: gzip.compress(b"[" * 100_000),
    "deeper objects": lambda r: changed(r, "manifest.json", data=json.loads("[" * 400 + "]" * 400)),
    "not a number": lambda r: gzip.compress(json.dumps(lines(r, loss=float("nan"))).encode()),
    "an infinite number": lambda r: gzip.compress(
        json.dumps(changed(r, "manifest.json", x=1)).replace('"x": 1', '"x": 1e999').encode()
    ),
    "a bomb": lambda r: gzip.compress(b" " * (4 * UNPACKED)),
    "megabytes": lambda r: b"x" * (STORED + 1),
}


@pytest.mark.parametrize(
    "entry", [{"ended": "yesterday"}, {"nonce": 5}, {"studies": {"x": 5}}, {"device": 5}, {"attempts": [{"anew": 3}]}]
)
def test_what_no_run_folder_would_be_read_with_is_no_whole_record(good, entry):
    assert whole(BASE, good)
    assert not whole(BASE, changed(good, "manifest.json", **entry))


def test_a_log_of_any_size_is_told_by_its_end(tmp_path):
    folder = finish(tmp_path, BASE, 12.5)
    with (folder.path / "rank0.log").open("wb") as file:
        file.seek(LARGEST + 1)
        file.write(b"the end\n")
    assert pack(folder)["rank0.log"].endswith("the end\n")


def test_a_record_writes_nothing_but_a_run_and_a_spoiled_one_is_none(base, good, canary, tmp_path):
    """One row after another in one database, each fetched; then the verbs, and the other study's table."""
    url, connection = base
    mine = tiny(rows={"none": BASE}, scientific=(), seeds=1)
    put(connection, good)
    assert [record.state for record in gather_everywhere(mine, tmp_path / "whole", url)] == ["complete"]
    assert (Path("whole") / BASE.key / "metrics.jsonl").read_text() == good["metrics.jsonl"]
    before = sorted(path.name for path in tmp_path.iterdir())
    with closing(open_registry(tmp_path / "new", url)) as registry:
        for name, spoil in SPOILED.items():
            put(connection, spoil(good))
            assert fetch(registry, Path("new"), [BASE]) == [BASE.key], name
            canary.unharmed()
            assert not Path("new", BASE.key).exists(), name
            assert sorted(path.name for path in tmp_path.iterdir() if path.name != "new") == before, name
    for keep in (True, False):
        assert [r.state for r in gather_everywhere(mine, Path("new"), url, keep=keep)] == ["missing"]
        told = canary.unharmed()
        assert told == (
            f"bam: tiny: 1 runs (as {BASE.key}): the database holds no whole record of them; "
            "they count as not trained\n"
        )
    for words in (["status", "mine.py"], ["plan", "mine.py"], ["table", "mine.py"], ["table", "other.py"]):
        assert call(*words, "--root", "there", "--storage", url) == 0
    canary.unharmed()


ROWS = {
    "no heartbeat": {"state": "running", "holder": "x", "beat": None},
    "life for ever": {"state": "running", "holder": "x", "beat": "infinity"},
    "life before all": {"state": "running", "holder": "x", "beat": "-infinity"},
    "life to come": {"state": "running", "holder": "x", "beat": "9000-01-01"},
    "life before Christ": {"state": "failed", "holder": "x", "beat": "0044-03-15 BC"},
    "life in a year of five digits": {"state": "running", "holder": "x", "beat": "20000-01-01"},
    "no state": {"state": "??"},
    "losses below none": {"state": "interrupted", "losses": -(2**31)},
    "a great many losses": {"state": "running", "holder": "x", "losses": 2**31 - 1, "retries": 2**31 - 1, "beat": None},
    "a long holder": {"state": "running", "holder": "x" * 10**6, "beat": "2001-01-01"},
}


def test_a_row_of_odd_values_stops_no_study(base, canary):
    """Whoever holds a run by a heartbeat that no clock gave holds nothing."""
    url, connection = base
    mine = tiny(rows={"none": BASE}, scientific=(), seeds=1)
    with closing(open_registry(Path("new"), url)) as registry:
        for name, columns in ROWS.items():
            for key in (BASE.key, "no key\t\x1b[31m"):
                put(connection, None, key=key, **columns)
            assert [record.state for record in mark_elsewhere(gather(mine, Path("new")), registry)] == ["missing"], name
    for words in (["status", "mine.py"], ["table", "other.py"]):
        assert call(*words, "--root", "there", "--storage", url) in (0, 1), words
    canary.unharmed()


@pytest.mark.parametrize("name", ["no heartbeat", "life for ever", "life to come", "no state", "losses below none"])
def test_a_run_that_such_a_row_holds_is_taken_over(base, name):
    url, connection = base
    put(connection, None, **ROWS[name])
    with closing(Leases(Path("mine"), url)) as leases:
        lease = leases.take(BASE)
        assert lease is not None
        lease.let_go()


ATTRIBUTES = ["5", "[]", '"x"', "{", "[" * 100_000, '{"schema": 1}', "1e999"]


def test_a_study_s_attributes_stop_their_own_study_in_a_line_and_no_other(base, canary):
    url, connection = base
    study = connection.execute("select study_id from studies where study_name = 'other'").fetchone()[0]
    mine = tiny(rows={"none": BASE}, scientific=(), seeds=1)
    for text in ATTRIBUTES:
        connection.execute("delete from study_user_attributes where key = 'rule'")
        connection.execute(
            "insert into study_user_attributes (study_id, key, value_json) values (%s, 'rule', %s)", [study, text]
        )
        assert with_rule(mine, Path("m"), url) == mine
        assert call("table", "other.py", "--root", "there", "--storage", url) in (0, 2)
        told = canary.unharmed()
        assert told.startswith(
            ("\n", "bam: other: ", "bam: the rule of other in the database", "bam: study ", "Does BAM")
        )
    finish(Path("m"), BASE, 12.5)
    assert call("run", "mine.py", "--root", "m", "--storage", url, "--wandb", "off") == 0
    canary.unharmed()


TRIALS = [
    "insert into trial_user_attributes (trial_id, key, value_json) values ({trial}, 'key', '[1]')",
    "insert into trial_user_attributes (trial_id, key, value_json) values ({trial}, 'owner', '{{')",
    "insert into trial_user_attributes (trial_id, key, value_json) values ({trial}, 'again', '[[')",
    "insert into trial_system_attributes (trial_id, key, value_json) values ({trial}, 'fixed_params', '5')",
    "insert into trial_params (trial_id, param_name, param_value, distribution_json) values ({trial}, 'seed', 1, '[]')",
    "insert into trial_params (trial_id, param_name, param_value, distribution_json) values ({trial}, 'attention', 99, "
    '\'{{"name": "CategoricalDistribution", "attributes": {{"choices": ["a"]}}}}\')',
    "insert into trial_values (trial_id, objective, value, value_type) values ({trial}, 7, 1.0, 'FINITE')",
    "update trials set state = 'COMPLETE' where trial_id = {trial}",
    "update trials set state = 'WAITING' where trial_id = {trial}",
]


def test_trials_that_cannot_be_read_stop_nobody(base, canary):
    url, connection = base
    storage = database(url)
    study = optuna.load_study(study_name="other", storage=storage)
    numbers = [storage.create_new_trial(study._study_id) for _ in TRIALS]
    close_storage(storage)
    for statement, number in zip(TRIALS, numbers, strict=True):
        connection.execute(statement.format(trial=number))
    assert call("run", "other.py", "--root", "there", "--storage", url, "--wandb", "off") == 0
    assert "other: 2 of 2 runs complete" in canary.unharmed()


def test_a_fetched_record_goes_through_no_link(base, good, canary):
    url, connection = base
    put(connection, good)
    root = Path("new")
    root.mkdir()
    (root / BASE.key).symlink_to(canary.folder / "run")
    assert call("table", "mine.py", "--root", root, "--storage", url) == 2
    assert f"bam: new/{BASE.key}: is a link, not a folder" in canary.unharmed()
    (root / BASE.key).unlink()
    (root / BASE.key).mkdir()
    for name in ("metrics.jsonl", "manifest.json", "run.json"):
        (root / BASE.key / name).symlink_to(canary.folder / "token")
    (root / BASE.key / "checkpoints").symlink_to(canary.folder / "run" / "checkpoints")
    assert call("table", "mine.py", "--root", root, "--storage", url) == 2
    canary.unharmed()
    assert RunFolder(root / BASE.key).path.is_dir()
    assert listing(canary.folder) == canary.before


def test_no_function_that_somebody_has_put_into_the_database_runs(base):
    """One of another's fits a varchar better than PostgreSQL's own, and would run as whoever asks."""
    url, connection = base
    for name, arguments in (("length", "varchar"), ("left", "varchar, integer"), ("octet_length", "varchar")):
        connection.execute(
            f"create function public.{name}({arguments}) returns text language plpgsql as "
            "$$ begin raise exception 'theirs runs'; end $$"
        )
    with closing(open_registry(Path("new"), url)) as hosts:
        assert len(hosts.entries()) == 2
        assert len(hosts.records(hosts.entries())) == 2


def test_a_checkpoint_that_a_record_replaces_is_kept_aside(base, good):
    url, connection = base
    mine = RunFolder.of(Path("mine"), BASE)
    mine.describe(BASE)
    mine.checkpoint.parent.mkdir()
    mine.checkpoint.write_bytes(b"weights")
    put(connection, good)
    assert call("status", "mine.py", "--root", "mine", "--storage", url) == 0
    assert mine.state() == "complete"
    assert mine.checkpoint.with_suffix(".damaged").read_bytes() == b"weights"
