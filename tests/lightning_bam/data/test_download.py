"""Downloads: asked first, one at a time, nothing on stdout, and a single line if they fail."""

import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from lightning_bam.config import ConfigError
from lightning_bam.data import download
from lightning_bam.data.download import fetch


class Answer:
    def close(self):
        pass


@pytest.fixture
def reachable(monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: Answer())


def test_a_download_runs_once_the_server_has_answered(reachable, tmp_path):
    done = []
    fetch(lambda: done.append(1), tmp_path / "new" / "data", "https://x.invalid/y", "put it there")
    assert done == [1]


def test_no_network(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(ConfigError) as refusal:
        fetch(lambda: pytest.fail("downloaded"), tmp_path, "https://x.invalid/y", "put it there")
    assert str(refusal.value) == (
        "put it there (downloading https://x.invalid/y failed: <urlopen error no route to host>)"
    )


def test_a_server_that_never_answers_is_given_up(monkeypatch, tmp_path):
    over = threading.Event()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: over.wait(30) and Answer())
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    started = time.perf_counter()
    with pytest.raises(ConfigError) as refusal:
        fetch(lambda: pytest.fail("downloaded"), tmp_path, "https://x.invalid/y", "put it there")
    over.set()
    assert time.perf_counter() - started < 5
    assert str(refusal.value) == "put it there (downloading https://x.invalid/y failed: no answer in 0.2 s)"


def test_a_failing_download(reachable, tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(ConfigError) as refusal:
        fetch(fail, tmp_path, "https://x.invalid/y", "put it there")
    assert str(refusal.value) == "put it there (downloading https://x.invalid/y failed: RuntimeError)"


def test_unpacking_asks_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: pytest.fail("asked"))
    done = []
    fetch(lambda: done.append(1), tmp_path, None, "put it there")
    assert done == [1]
    with pytest.raises(ConfigError) as refusal:
        fetch(lambda: 1 // 0, tmp_path, None, "put it there")
    assert str(refusal.value).startswith("put it there (unpacking what is there failed: ")


def test_a_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^put it there \(unpacking what is there failed: .*Not a directory"):
        fetch(lambda: pytest.fail("downloaded"), tmp_path / "file" / "data", None, "put it there")


def test_what_is_printed_goes_to_stderr_and_connections_time_out(reachable, tmp_path, capsys):
    timeouts = []

    def chatty():
        print("100%|#####|")
        timeouts.append(socket.getdefaulttimeout())

    fetch(chatty, tmp_path, "https://x.invalid/y", "put it there")
    assert capsys.readouterr() == ("", "100%|#####|\n")
    assert timeouts == [download.STALL_SECONDS]
    assert socket.getdefaulttimeout() is None


def test_two_at_a_time_take_turns(reachable, tmp_path):
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
