"""`bam cost`: params and MACs of a configuration, without training."""

from __future__ import annotations

import argparse
import json
from typing import cast

from analysis.cli.parser import add_set
from analysis.formats import fixed_facts
from lightning_bam.config import KINDS, RELEASED_BAM, Run, flatten, with_settings
from lightning_bam.config.spec import changed
from studies.records.counts import counts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--backbone", default="resnet50", metavar="NAME", help=" | ".join(KINDS["backbone"]))
    parser.add_argument("--dataset", default="cifar100", metavar="NAME", help=" | ".join(KINDS["dataset"]))
    known = " | ".join((*KINDS["attention"], "bam-released", "none"))
    parser.add_argument("--attention", default="none", metavar="NAME", help=known)
    parser.add_argument("--placement", default="after_stages", metavar="NAME", help=" | ".join(KINDS["placement"]))
    parser.add_argument("--stride-on", metavar="CONV", help="3x3 or 1x1, the same as --set backbone.stride_on=...")
    add_set(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Count one configuration."""
    slots = {"backbone": arguments.backbone, "dataset": arguments.dataset, "placement": arguments.placement}
    if arguments.stride_on is not None:
        slots["backbone.stride_on"] = arguments.stride_on
    knobs = dict(arguments.set)
    slots["attention"] = arguments.attention
    if arguments.attention == "bam-released":
        slots |= {"attention": RELEASED_BAM.kind}
        slots |= {f"attention.{name}": value for name, value in changed(RELEASED_BAM).items()}
    run = with_settings(Run(), {**slots, **knobs})
    cost = counts({"configuration": run})["configuration"]
    flat = flatten(run)
    shown = {name: flat[name] for name in flat if not name.startswith(("recipe", "seed", "score"))}
    if arguments.json:
        print(json.dumps({"params": cost.params, "macs": cost.macs, "configuration": shown}))
        return 0
    print(fixed_facts({name: str(value) for name, value in shown.items()}))
    print(f"params  {cost.params:>15,}")
    print(
        f"MACs    {cost.macs:>15,}  for one image of {' x '.join(map(str, cast(tuple[int, ...], run.dataset.shape)))}"
    )
    return 0
