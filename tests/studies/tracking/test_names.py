"""What figures are called in W&B."""

from __future__ import annotations

from dataclasses import replace

from studies.tracking.names import analysis_id, epoch_figures, reported_figures
from tests.studies.conftest import BASE


def test_figures_are_named_by_phase():
    line = {"epoch": 2.0, "train_loss": 0.5, "error_top1": 12.5, "loss": 0.75, "lr": 0.1, "scored": 500.0}
    line |= {"images_per_s": 700.0, "memory_gib": 1.5, "seconds": 3.0, "train_seconds": 2.0, "gates/layer1/mean": 0.5}
    told = {"epoch": 3.0, "train/loss": 0.5, "train/lr": 0.1, "train/images_per_s": 700.0, "device/memory_gib": 1.5}
    told |= {"gate/layer1/mean": 0.5}
    assert epoch_figures(BASE, line) == told | {"test/error_top1": 12.5, "test/loss": 0.75}
    searched = replace(BASE, score_on="held_out")
    assert epoch_figures(searched, line) == told | {"held_out/error_top1": 12.5, "held_out/loss": 0.75}


def test_the_summary_has_what_is_reported():
    figures = {"error_top1": 12.5, "scored": 500, "params": 7, "macs": 9, "epochs": 3, "seconds": 1.5, "own": 4.0}
    told = {"test/error_top1": 12.5, "test/scored": 500, "test/own": 4.0, "params": 7, "macs": 9, "epochs": 3}
    assert reported_figures(BASE, figures) == told | {"train/seconds": 1.5}


def test_each_study_has_one_analysis_run():
    assert analysis_id("tiny") == "analysis-8950abfd"
    assert analysis_id("tiny+small") != analysis_id("tiny")
