"""`python -m lightning_bam.inspection`: how a process without torch has a run inspected."""

import json
import sys
from pathlib import Path

import numpy as np

from lightning_bam.config import ConfigError
from lightning_bam.inspection.report import inspect
from lightning_bam.run_folder.files import FolderError, put_in_place, unwritable, write_object
from lightning_bam.user_code.load import Source, load


def main() -> None:
    """Read `{"path", "images", "samples", "unfinished", "output", "own"}` from stdin; write what `inspect` returns.

    It goes to `inspect.json` and `inspect.npz` in the folder `output`. Prints `{}`, or `{"error": line}` for what a
    person can mend.
    """
    request = json.load(sys.stdin)
    output = Path(request.pop("output"))
    answer = {}
    try:
        load(Source(*place) for place in request.pop("own"))
        numbers, arrays = inspect(**request | {"path": Path(request["path"])})
        output.mkdir(parents=True, exist_ok=True)
        with put_in_place(output / "inspect.npz", follow=False) as temporary, temporary.open("xb") as file:
            np.savez_compressed(file, **{k: v.detach().numpy() for k, v in arrays.items()})  # type: ignore[arg-type]
        write_object(output / "inspect.json", numbers)
    except (ConfigError, FolderError) as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": str(unwritable(output, error))}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
