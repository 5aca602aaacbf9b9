"""Downloads: one at a time, nothing on stdout, and a single line if they fail."""

import socket
import threading
import time
import urllib.error

import pytest

from lightning_bam.config import ConfigError
from lightning_bam.data import download
from lightning_bam.data.download import fetch


def test_the_data_directory_is_made(tmp_path):
    done = []
    fetch(lambda: done.append(1), tmp_path / "new" / "data", "https://x.invalid/y", "put it there")
    assert done == [1]


def test_no_network(tmp_path):
    def refuse():
        raise urllib.error.URLError("no route\nto host")

    with pytest.raises(ConfigError) as refusal:
        fetch(refuse, tmp_path, "https://x.invalid/y", "put it there")
    assert str(refusal.value) == (
        "put it there (downloading https://x.invalid/y failed: <urlopen error no route to host>)"
    )


def test_a_failing_download(tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(ConfigError) as refusal:
        fetch(fail, tmp_path, "https://x.invalid/y", "put it there")
    assert str(refusal.value) == "put it there (downloading https://x.invalid/y failed: RuntimeError)"


def test_unpacking_that_fails(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        fetch(lambda: 1 // 0, tmp_path, None, "put it there")
    assert str(refusal.value).startswith("put it there (unpacking what is there failed: ")


def test_a_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^put it there \(unpacking what is there failed: .*Not a directory"):
        fetch(lambda: pytest.fail("downloaded"), tmp_path / "file" / "data", None, "put it there")


def test_what_is_printed_goes_to_stderr_and_connections_time_out(tmp_path, capsys):
    timeouts = []

    def chatty():
        print("100%|#####|")
        timeouts.append(socket.getdefaulttimeout())

    fetch(chatty, tmp_path, "https://x.invalid/y", "put it there")
    assert capsys.readouterr() == ("", "100%|#####|\n")
    assert timeouts == [download.STALL_SECONDS]
    assert socket.getdefaulttimeout() is None


def test_two_at_a_time_take_turns(tmp_path):
    inside, most = [], []

    def slow():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.1)
        inside.pop()

    threads = [threading.Thread(target=fetch, args=(slow, tmp_path, None, "")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]
