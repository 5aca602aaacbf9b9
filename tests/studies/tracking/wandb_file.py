"""A reader of W&B's offline files: records in LevelDB's log format (blocks of 32 KiB) of W&B's protobuf messages."""

from __future__ import annotations

import json
import struct
import time
from contextlib import suppress
from pathlib import Path

from google.protobuf.message import DecodeError
from wandb.proto import wandb_internal_pb2

BLOCK = 32768


def messages(path: Path) -> list[wandb_internal_pb2.Record]:
    """Return every record of a `.wandb` file; its first 7 bytes are a header of W&B's own."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    found, parts, at = [], b"", 7
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # too little room for a header: padding
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        if kind == 0:
            break
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


def read(folder: Path) -> dict:
    """Return what one run's only offline record holds: run, config, history, summary, exit code."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    found: dict = {"config": {}, "history": [], "summary": {}, "exit": None}
    for record in messages(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["run"] = record.run
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            items = {(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in record.history.item}
            found["history"].append(items)
        elif kind == "summary":
            found["summary"] |= {
                (i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in record.summary.update
            }
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def settled(folder: Path, seconds: float = 30) -> dict:
    """Return `read` once there is an exit code: W&B's service writes on when `finish` has returned."""
    found: dict = {}
    until = time.monotonic() + seconds
    while found.get("exit") is None and time.monotonic() < until:
        with suppress(DecodeError):  # half a record
            found = read(folder)
        time.sleep(0.1)
    return found
