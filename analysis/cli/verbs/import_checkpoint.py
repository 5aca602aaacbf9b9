"""`bam import-checkpoint`: a checkpoint of the authors' code as a model folder."""

import argparse
import stat
import sys
from pathlib import Path
from typing import Final

from analysis.cli.arguments import argument
from lightning_bam.run_folder.files import refuse

BACKBONES: Final = ("resnet18", "resnet34", "resnet50", "resnet101")
DATASETS: Final = ("imagenet", "cifar10", "cifar100")
ARGUMENTS = (
    argument("file", metavar="FILE", help="a checkpoint, or its state dict, written by torch.save"),
    argument("--output", metavar="DIR", help="the model folder to make (models/<name of FILE>)"),
    argument("--backbone", choices=BACKBONES, default="resnet50", help="the network (resnet50)"),
    argument("--dataset", choices=DATASETS, default="imagenet", help="what it was trained on (imagenet)"),
)


def execute(arguments: argparse.Namespace) -> int:
    """Import one checkpoint; the folder's name goes to stdout, what is worth saying to stderr."""
    file = Path(arguments.file)
    output = Path(arguments.output or Path("models") / file.name.partition(".")[0])
    if not arguments.output:
        refuse(output.parent, stat.S_IFDIR)

    from lightning_bam.weights.authors_checkpoint import import_checkpoint

    _, notes = import_checkpoint(file, output, backbone=arguments.backbone, dataset=arguments.dataset)
    for note in notes:
        print(f"bam import-checkpoint: {note}", file=sys.stderr)
    print(output)
    return 0
