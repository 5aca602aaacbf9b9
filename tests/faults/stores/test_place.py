"""The mark of a runs folder, which goes into the database, as somebody else may have written it."""

from __future__ import annotations

import pytest

from lightning_bam.run_folder.files import FolderError
from studies.coordination.location import FILE, Place


@pytest.mark.parametrize("mark", [b"a\0b", b"\xff", b"x" * 70_000, b"\x1b[2J", b"0" * 32 + b"\n"])
def test_a_mark_that_is_none_is_refused_in_one_line(tmp_path, mark):
    (tmp_path / FILE).write_bytes(mark)
    for place in (Place.of, Place.make):
        with pytest.raises(FolderError, match=r"\.place: is no mark of a runs folder: remove it"):
            place(tmp_path)
    (tmp_path / FILE).unlink()
    assert Place.make(tmp_path) == Place.of(tmp_path)
