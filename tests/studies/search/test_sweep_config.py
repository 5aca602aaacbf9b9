"""A search's configuration in W&B: nested as the config of a run is, in W&B's own names."""

from __future__ import annotations

from dataclasses import replace

from lightning_bam.config import BAMSpec
from studies import Space
from studies.library import find_space
from studies.search.choices import Integer, Real
from studies.search.method import Method
from studies.search.sweep_config import sweep_config
from tests.studies.conftest import BASE

SPACE = Space(
    name="ranges",
    question="Which?",
    base=replace(BASE, attention=BAMSpec(reduction=4)),
    choices={
        "attention": ("bam", "se", "none"),
        "recipe.epochs": Integer(2, 8),
        "backbone.width": Integer(4, 15, step=4),
        "recipe.batch_size": Integer(16, 64, log=True),
        "recipe.momentum": Real(0.5, 0.9),
        "recipe.label_smoothing": Real(0.0, 0.3, step=0.1),
        "recipe.mixup": ("none", "0.2"),
    },
)


def test_bam():
    assert sweep_config(find_space("bam").at("small"), Method()) == {
        "name": "search+bam+small",
        "description": "Which BAM works best: its structure, its place, its recipe?",
        "method": "bayes",
        "metric": {"name": "held_out/error_top1", "goal": "minimize"},
        "parameters": {
            "attention": {
                "parameters": {
                    "branches": {"values": ["both", "channel", "spatial"]},
                    "reduction": {"values": [4, 8, 16, 32]},
                    "dilation": {"values": [1, 2, 4, 6]},
                    "combine": {"values": ["sum", "product", "max"]},
                    "norm": {"values": ["ends", "hidden", "both", "maps"]},
                }
            },
            "placement": {
                "parameters": {
                    "kind": {"values": ["after_stages", "every_block"]},
                    "stages": {"values": [[1], [2], [1, 2], [1, 2, 3]]},
                }
            },
            "recipe": {
                "parameters": {
                    "lr": {"distribution": "log_uniform_values", "min": 0.02, "max": 0.3},
                    "weight_decay": {"distribution": "log_uniform_values", "min": 5e-5, "max": 5e-3},
                }
            },
        },
        "controller": {"type": "local"},
    }


def test_every_kind_of_range():
    found = sweep_config(SPACE, Method(sampler="random", seeds=2))
    assert (found["name"], found["method"]) == ("search+ranges+seeds=2", "random")
    assert found["parameters"] == {
        "attention": {"parameters": {"kind": {"values": ["bam", "se", "none"]}}},
        "backbone": {"parameters": {"width": {"distribution": "q_uniform", "min": 4, "max": 12, "q": 4}}},
        "recipe": {
            "parameters": {
                "epochs": {"distribution": "int_uniform", "min": 2, "max": 8},
                "batch_size": {"distribution": "q_log_uniform_values", "min": 16, "max": 64, "q": 1},
                "momentum": {"distribution": "uniform", "min": 0.5, "max": 0.9},
                "label_smoothing": {"distribution": "q_uniform", "min": 0.0, "max": 0.3, "q": 0.1},
                "mixup": {"values": [None, 0.2]},
            }
        },
    }


def test_brute_force_is_a_grid_which_has_no_log_scale():
    choices = {"recipe.batch_size": Integer(16, 64, log=True)}
    found = sweep_config(replace(SPACE, choices=choices), Method(sampler="brute"))
    assert found["method"] == "grid"
    (knob,) = found["parameters"]["recipe"]["parameters"].values()
    assert knob == {"distribution": "int_uniform", "min": 16, "max": 64}
