"""A trained network in a file that needs this package no more."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from lightning_bam.backbones.torchvision_net import options
from lightning_bam.config import KINDS, ConfigError, Run, Torchvision
from lightning_bam.run_folder.files import put_in_place, unwritable
from lightning_bam.training.checkpoint import save
from lightning_bam.weights.authors_checkpoint import to_authors

TORCHVISION: Final = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnext50": "resnext50_32x4d",
    "squeezenet1_1": "squeezenet1_1",
}
"""Backbones by kind, and the networks of torchvision that they are when nothing is changed about them."""


def export(run: Run, network: nn.Module, form: str, path: Path, *, follow: bool = True) -> str:
    """Write a run's `network`, in eval mode, to `path` in a form of `FORMATS`, and return how the file is used.

    A file that is there is replaced; a link is followed, as for a file that the user names, or replaced itself.
    ConfigError for a network that has no such form, FolderError for a file that cannot be written.
    """
    content, use = FORMATS[form](run, network)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            save(dict(content), path, follow=follow)
        else:
            with put_in_place(path, follow=follow) as temporary, temporary.open("xb") as file:
                torch.export.save(content, file)  # of a file's name it wants the suffix
    except OSError as error:
        raise unwritable(path, error) from None
    return use


Content = dict[str, Any] | ExportedProgram


def _state_dict(run: Run, network: nn.Module) -> tuple[Content, str]:
    use = f"the state dict of lightning_bam.build(run) of run {run.key}: torch.load(FILE, weights_only=True)"
    return network.state_dict(), use


def _torchvision(run: Run, network: nn.Module) -> tuple[Content, str]:
    model = f"torchvision.models.{torchvision_name(run)}(num_classes={run.dataset.classes})"
    return network.state_dict(), f"{model}.load_state_dict(torch.load(FILE, weights_only=True))"


def torchvision_name(run: Run) -> str:
    """Return torchvision's name of a run's network; ConfigError if it has none that computes the same."""
    backbone, advice = run.backbone, "use --format state-dict, or --format program, which runs with torch alone"
    if run.attention is not None:
        raise ConfigError(f"torchvision has no {backbone.kind} with attention={run.attention.kind}; {advice}")
    if isinstance(backbone, Torchvision) and run.dataset.shape[0] == 3 and not options(backbone, run.dataset.shape[1:]):
        return backbone.name
    stem = {"stem": "imagenet"} if hasattr(backbone, "stem") else {}
    unchanged = backbone.kind in TORCHVISION and backbone == KINDS["backbone"][backbone.kind](**stem)
    channels = run.dataset.shape[0]
    if not unchanged or channels != 3:
        raise ConfigError(
            f"torchvision has no {backbone} for {channels} channels; it has {', '.join(TORCHVISION)}, with the "
            f"ImageNet stem, the stride on the 3x3 and the default widths, for 3 channels; {advice}"
        )
    return TORCHVISION[backbone.kind]


def _authors(run: Run, network: nn.Module) -> tuple[Content, str]:
    use = 'a checkpoint of the authors\' code: torch.load(FILE, weights_only=True)["state_dict"], inside DataParallel'
    return to_authors(run, network), use


def _program(run: Run, network: nn.Module) -> tuple[Content, str]:
    """Trace with torch.export, any number of images and one size of image; a classifier, not a detector.

    A detector's boxes are as many as it finds, which torch.export (2.14) does not trace through torchvision's code.
    """
    if run.detects:
        raise ConfigError(f"backbone={run.backbone.kind}: a detector has no program; use --format state-dict")
    images = torch.zeros(2, *run.dataset.shape)
    program = torch.export.export(network.eval(), (images,), dynamic_shapes=({0: Dim("batch", min=1)},))
    images_shape = f"(N, {', '.join(map(str, run.dataset.shape))}), normalised as in training; needs torch alone"
    return program, f"torch.export.load(FILE).module()(images) for images {images_shape}"


FORMATS: Final[Mapping[str, Callable[[Run, nn.Module], tuple[Content, str]]]] = {
    "state-dict": _state_dict,
    "torchvision": _torchvision,
    "authors": _authors,
    "program": _program,
}
"""The forms of `export`: each returns what goes into the file, and how that is used."""
