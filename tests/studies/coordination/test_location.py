"""Which runs folder a host trains in, told from all others of its name."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightning_bam.run_folder.files import FolderError
from studies.coordination.location import FILE, Place


def test_a_folder_keeps_its_number_and_looking_gives_it_none(tmp_path):
    root = tmp_path / "runs"
    assert Place.of(root) == Place(socket.gethostname(), str(root), "")
    assert not root.exists()
    place = Place.make(root)
    assert len(place.folder) == 32
    assert Place.make(root) == Place.of(root) == place
    assert str(place) == f"{socket.gethostname()}:{root}:{place.folder}"
    assert [path.name for path in root.iterdir()] == [FILE]


def test_folders_of_one_path_on_two_disks_are_two_and_so_are_a_folder_and_its_copy(tmp_path):
    """As on two hosts that are named alike: the folder is moved away, and another stands there."""
    here = Place.make(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "away")
    there = Place.make(tmp_path / "runs")
    assert (here.host, here.root) == (there.host, there.root)
    assert here.folder != there.folder
    shutil.copytree(tmp_path / "away", tmp_path / "copy")
    assert Place.make(tmp_path / "copy").folder == here.folder
    assert Place.make(tmp_path / "copy") != here


def test_a_number_that_a_power_cut_has_emptied_is_given_anew(tmp_path):
    Place.make(tmp_path)
    (tmp_path / FILE).write_text("")
    assert len(Place.make(tmp_path).folder) == 32


def test_a_link_to_a_folder_is_that_folder(tmp_path):
    place = Place.make(tmp_path / "runs")
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    assert Place.make(tmp_path / "link") == place


def test_all_who_mark_a_folder_at_once_get_one_number(tmp_path):
    for attempt in range(20):
        with ThreadPoolExecutor(8) as pool:
            places = list(pool.map(Place.make, [tmp_path / str(attempt)] * 8))
        assert len(set(places)) == 1
        assert [path.name for path in (tmp_path / str(attempt)).iterdir()] == [FILE]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(FolderError, match=rf"{file}/\.place: cannot be written \(File exists\)"):
        Place.make(Path(file))
