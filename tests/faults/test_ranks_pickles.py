"""What one rank sends to another is data: nothing of it is unpickled."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

from lightning_bam.training import trainer
from studies.job.devices import Slot
from studies.job.job import Job
from studies.workers import ranks
from studies.workers.forkserver import forkserver
from studies.workers.launch import ask
from studies.workers.process_environment import scrub
from tests.faults.test_listening_sockets import Attack


def test_a_rank_does_not_unpickle_what_another_one_sends(tmp_path):
    answers = ask(forkserver(), "tests.faults.test_ranks_pickles", "send", tmp_path / "mark")
    assert not (tmp_path / "mark").exists()
    assert answers == {0: "", 1: "UnicodeDecodeError"}


def send(mark):
    """Let the first of two ranks send a pickle where the other one awaits what Lightning broadcasts."""
    scrub()
    job = Job(folder=mark.parent, study="sent", row="", slot=Slot(2))
    with ranks.Rendezvous().open() as meeting:
        return ranks.elastic_launch(ranks.group(job, meeting), _send)(mark)


def _send(mark):
    dist.init_process_group("gloo")
    if os.environ["RANK"] == "0":
        dist.broadcast_object_list([Attack(mark)], 0)
        return ""
    strategy = trainer._strategy("cpu", 2)
    strategy.parallel_devices = [torch.device("cpu")] * 2
    try:
        strategy.broadcast(None)
    except ValueError as error:
        return type(error).__name__
    return "nothing was wrong with it"
