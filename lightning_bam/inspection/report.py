"""Everything that `bam inspect` tells of a run, as numbers and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.config import ConfigError, Run, flatten
from lightning_bam.data import ImageData, normalise
from lightning_bam.inspection.attended import attention_modules, module_inputs
from lightning_bam.inspection.branch import DRAWS
from lightning_bam.inspection.field import SHARE
from lightning_bam.inspection.maps import Maps, maps
from lightning_bam.inspection.saturation import BATCH, HIGH, LOW, saturation
from lightning_bam.inspection.views import field_view, map_sizes
from lightning_bam.network import build
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.provenance import provenance
from lightning_bam.weights.state_dicts import load_network

SAMPLES: Final = 256
"""Images over which saturation is counted, where the run has as many."""

LOOKED_AT: Final = 16
"""Images over which the effective field on real maps is averaged, at most."""

BARS: Final = 50
"""Bars of the histograms that are kept."""

Numbers = dict[str, Any]
Arrays = dict[str, Tensor]


def inspect(
    path: Path, images: int | Sequence[int], samples: int | None = None, *, unfinished: bool = False
) -> tuple[Numbers, Arrays]:
    """Inspect the trained run in `path`.

    Args:
        path: a run folder, or a model folder.
        images: how many of the scored images from the first on, or which.
        samples: images over which saturation is counted, from the first on; `SAMPLES`, or all if there are fewer.
        unfinished: take a run that is not complete, too, with the weights of its last whole epoch.

    Returns:
        The numbers, as JSON data, and the arrays that figures are drawn from.

    Raises:
        ConfigError: more images than there are, an index out of range, or a network without attention.
        FolderError: a folder that cannot be read.

    """
    run, network = load_network(path, unfinished=unfinished)
    attention_modules(network)
    data = ImageData(run).images
    chosen = pick(images, len(data.test))
    samples = pick_samples(samples, len(data.test))
    pixels, labels = data.scored(chosen)
    many, few = (normalise(part, data.mean, data.std) for part in (data.scored(range(samples))[0], pixels))
    with torch.no_grad():
        inputs, outputs = module_inputs(network, few)
    predicted = outputs.argmax(dim=1).tolist()
    described, arrays = modules(run, network, inputs, many)
    numbers = {
        "schema": 1,
        "key": run.key,
        "run": {name: str(value) for name, value in flatten(run).items()},
        "epochs": len(RunFolder(path).metrics()),
        "images": [
            {"index": index, "label": label, "predicted": answer}
            for index, label, answer in zip(chosen, labels.tolist(), predicted, strict=True)
        ],
        "scored_on": run.score_on,
        "image_shape": list(few.shape[1:]),
        "thresholds": {"low": LOW, "high": HIGH, "share": SHARE},
        "n": {
            "samples": samples,
            "batch": min(BATCH, samples),
            "draws": DRAWS,
            "images": len(chosen),
            "field": min(LOOKED_AT, samples),
        },
        "modules": described,
        "versions": provenance(),
    }
    return numbers, {"images": pixels, **arrays}


def modules(run: Run, network: nn.Module, inputs: Arrays, many: Tensor) -> tuple[list[Numbers], Arrays]:
    """Return each attention module's numbers, and its arrays under `<position>/<name of the array>`."""
    trained = saturation(network, many, batch_statistics=False)
    initial = saturation(build(run), many, batch_statistics=True)
    grids = map_sizes(run)
    with torch.no_grad():
        seen, _ = module_inputs(network, many[:LOOKED_AT])
    described: list[Numbers] = []
    arrays: Arrays = {}
    for position, (name, module) in enumerate(attention_modules(network).items()):
        x = inputs[name]
        with torch.no_grad():
            found = maps(module, x)
        field, energies = field_view(run, network, name, seen[name], many[:LOOKED_AT], grids)
        drawn = drawable(found, x)
        described.append(
            {
                "name": name,
                "kind": type(module).__name__,
                "channels": x.shape[1],
                "height": x.shape[2],
                "width": x.shape[3],
                "ranges": {key: [float(value.min()), float(value.max())] for key, value in drawn.items()},
                "saturation": {"trained": trained[name].numbers(), "initial": initial[name].numbers()},
                "field": field,
            }
        )
        mine = drawn | {f"field_{key}": value for key, value in energies.items()}
        mine |= {"trained": trained[name].histogram(BARS), "initial": initial[name].histogram(BARS)}
        arrays |= {f"{position}/{key}": value for key, value in mine.items()}
    return described, arrays


def drawable(found: Maps, x: Tensor) -> Arrays:
    """Return what is drawn of N inputs: the logits there are, and `gate`, the mean over channels `(N, H, W)`."""
    drawn = {"channel": found.channel, "spatial": found.spatial, "gate": found.gate.expand_as(x).mean(dim=1)}
    return {key: value for key, value in drawn.items() if value is not None}


def pick(images: int | Sequence[int], available: int) -> list[int]:
    """Return the indices of the chosen images.

    Raises:
        ConfigError: more images than available, or an index out of range.

    """
    if isinstance(images, int):
        if images > available:
            raise ConfigError(f"--images {images}: the run has {available} scored images; ask for at most that many")
        return list(range(images))
    for index in images:
        if not 0 <= index < available:
            raise ConfigError(f"--images {index}: the run's scored images are 0 to {available - 1}")
    return list(images)


def pick_samples(samples: int | None, available: int) -> int:
    """Return over how many images saturation is counted.

    Raises:
        ConfigError: more than available, or a single one, of which batch norm has no variance.

    """
    if samples is None:
        return min(SAMPLES, available)
    if not 2 <= samples <= available:
        raise ConfigError(f"--samples {samples}: give 2 to {available}, the run's scored images")
    return samples
