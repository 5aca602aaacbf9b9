"""`bam cost`: params and MACs of a configuration, without training."""

import argparse
import json
from typing import cast

from analysis.cli.arguments import JSON, SET, argument
from analysis.formats.legend import fixed_facts
from lightning_bam.config import KINDS, RELEASED_BAM, Run, flatten, with_settings
from lightning_bam.config.spec import changed
from studies.records.counts import counts

ATTENTION = (*KINDS["attention"], "bam-released", "none")
ARGUMENTS = (
    argument("--backbone", default="resnet50", metavar="NAME", help=" | ".join(KINDS["backbone"])),
    argument("--dataset", default="cifar100", metavar="NAME", help=" | ".join(KINDS["dataset"])),
    argument("--attention", default="none", metavar="NAME", help=" | ".join(ATTENTION)),
    argument("--placement", default="after_stages", metavar="NAME", help=" | ".join(KINDS["placement"])),
    argument("--stride-on", metavar="CONV", help="3x3 or 1x1, the same as --set backbone.stride_on=..."),
    SET,
    JSON,
)


def execute(arguments: argparse.Namespace) -> int:
    """Count one configuration."""
    settings = {name: getattr(arguments, name) for name in ("backbone", "dataset", "placement", "attention")}
    if arguments.stride_on is not None:
        settings["backbone.stride_on"] = arguments.stride_on
    if arguments.attention == "bam-released":
        settings |= {"attention": RELEASED_BAM.kind}
        settings |= {f"attention.{name}": value for name, value in changed(RELEASED_BAM).items()}
    run = with_settings(Run(), settings | dict(arguments.set))
    cost = counts({"configuration": run})["configuration"]
    flat = flatten(run)
    facts = {name: flat[name] for name in flat if not name.startswith(("recipe", "seed", "score"))}
    if arguments.json:
        print(json.dumps({"params": cost.params, "macs": cost.macs, "configuration": facts}))
        return 0
    shape = " x ".join(map(str, cast(tuple[int, ...], run.dataset.shape)))
    told = {name: str(value) for name, value in facts.items() if value is not None or "." not in name}
    print(fixed_facts(told))
    print(f"params  {cost.params:>15,}")
    print(f"MACs    {cost.macs:>15,}  for one image of {shape}")
    return 0
