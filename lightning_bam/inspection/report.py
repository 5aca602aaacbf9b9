"""Everything that `bam inspect` reports of a run, as numbers and arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.attention.gate import HIGH, LOW
from lightning_bam.config import ConfigError, Run, flatten
from lightning_bam.data import ImageData, normalise
from lightning_bam.inspection.field import DRAWS, SHARE
from lightning_bam.inspection.maps import attention_modules, maps, module_inputs
from lightning_bam.inspection.receptive_field import map_sizes, receptive_field
from lightning_bam.inspection.saturation import BATCH, saturation
from lightning_bam.network import build
from lightning_bam.run_folder.folder import RunFolder
from lightning_bam.run_folder.provenance import provenance
from lightning_bam.weights.state_dicts import load_network

SAMPLES: Final = 256
"""Images over which saturation is counted, where the run has as many."""
FIELD_IMAGES: Final = 16
"""Images over which the effective field on real maps is averaged, at most."""

Numbers = dict[str, Any]
Arrays = dict[str, Tensor]


def inspect(
    path: Path, images: int | Sequence[int], samples: int | None = None, *, unfinished: bool = False
) -> tuple[Numbers, Arrays]:
    """Return the numbers, as JSON data, and the arrays that figures are drawn from, of the run or model folder `path`.

    `images` are how many of the scored images from the first on, or which; `samples` is over how many saturation is
    counted, `SAMPLES` or all if there are fewer. With `unfinished` it takes a run that is not complete, too, with the
    weights of its last whole epoch.

    ConfigError for images that there are not or a network without attention, FolderError for a torn folder.
    """
    run, network = load_network(path, unfinished=unfinished)
    data = ImageData(run).images
    indices = image_indices(images, len(data.test))
    if samples is None:
        samples = min(SAMPLES, len(data.test))
    if not 2 <= samples <= len(data.test):  # batch norm has no variance of a single one
        raise ConfigError(f"--samples {samples}: give 2 to {len(data.test)}, the run's scored images")
    pixels, labels = data.scored(indices)
    many, few = (normalise(part, data.mean, data.std) for part in (data.scored(range(samples))[0], pixels))
    with torch.no_grad():
        inputs, outputs = module_inputs(network, few)
    entries, arrays = modules(run, network, inputs, many)
    numbers = {
        "schema": 1,
        "key": run.key,
        "run": {name: str(value) for name, value in flatten(run).items()},
        "epochs": len(RunFolder(path).metrics()),
        "images": [
            {"index": index, "label": label, "predicted": answer}
            for index, label, answer in zip(indices, labels.tolist(), outputs.argmax(dim=1).tolist(), strict=True)
        ],
        "thresholds": {"low": LOW, "high": HIGH, "share": SHARE},
        "n": {
            "samples": samples,
            "batch": min(BATCH, samples),
            "draws": DRAWS,
            "images": len(indices),
            "field": min(FIELD_IMAGES, samples),
        },
        "modules": entries,
        "versions": provenance(run),
    }
    return numbers, {"images": pixels, **arrays}


def modules(run: Run, network: nn.Module, inputs: Arrays, many: Tensor) -> tuple[list[Numbers], Arrays]:
    """Return each attention module's numbers, and its arrays under `<position>/<name of the array>`."""
    trained = saturation(network, many, batch_statistics=False)
    initial = saturation(build(run), many, batch_statistics=True)
    grids = map_sizes(run)
    with torch.no_grad():
        on_images, _ = module_inputs(network, many[:FIELD_IMAGES])
    entries: list[Numbers] = []
    arrays: Arrays = {}
    for position, (name, module) in enumerate(attention_modules(network).items()):
        x = inputs[name]
        with torch.no_grad():
            views = maps(module, x)
        logits = {"channel": views.channel, "spatial": views.spatial, "gate": views.gate.expand_as(x).mean(dim=1)}
        shown = {key: value for key, value in logits.items() if value is not None}
        field, energies = receptive_field(run, network, name, on_images[name], many[:FIELD_IMAGES], grids)
        entries.append(
            {
                "name": name,
                "kind": type(module).__name__,
                "channels": x.shape[1],
                "height": x.shape[2],
                "width": x.shape[3],
                "ranges": {key: [float(value.min()), float(value.max())] for key, value in shown.items()},
                "saturation": {"trained": trained[name].numbers(), "initial": initial[name].numbers()},
                "field": field,
            }
        )
        shown |= {f"field_{key}": value for key, value in energies.items()}
        shown |= {"trained": trained[name].histogram(), "initial": initial[name].histogram()}
        arrays |= {f"{position}/{key}": value for key, value in shown.items()}
    return entries, arrays


def image_indices(images: int | Sequence[int], available: int) -> list[int]:
    """Return the indices of the images: the first so many, or these; ConfigError where one is not available."""
    if isinstance(images, int):
        if images > available:
            raise ConfigError(f"--images {images}: the run has {available} scored images; ask for at most that many")
        return list(range(images))
    for index in images:
        if not 0 <= index < available:
            raise ConfigError(f"--images {index}: the run's scored images are 0 to {available - 1}")
    return list(images)
