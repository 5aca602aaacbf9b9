"""Receptive fields as numbers: per module, per dilation, and against the size of the input."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.config import BAMSpec, Run
from lightning_bam.inspection.field import (
    DRAWS,
    FieldOfView,
    energy,
    extent,
    image_field,
    image_reach,
    own_field,
    reach,
)
from lightning_bam.inspection.maps import attention_modules, module_inputs, spatial_layers, spatial_logits
from lightning_bam.network import build

DILATIONS: Final = (1, 2, 4, 6)
"""Dilations compared, beside the run's own."""
SIZES: Final = (32, 64, 128, 224)
"""Longer sides of the images, in px, that the field is held against, beside the run's own."""


def receptive_field(
    run: Run, network: nn.Module, name: str, x: Tensor, images: Tensor, grids: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any] | None, dict[str, Tensor]]:
    """Return the numbers of one module's spatial branch, None without such a branch, and the energies by name.

    The module called `name`, of the run's trained network in eval mode, gets `x` `(N, C, H, W)` from the normalised
    `images` `(N, c, h, w)`; `grids` are those of `map_sizes`. `positions` are those that the field reads on a map that
    holds it whole, `read` those on this module's own map.
    """
    module, spec = attention_modules(network)[name], run.attention
    layers = spatial_layers(module)
    if layers is None:
        return None, {}
    own = reach(layers)
    on_maps, on_images = energy(spatial_logits(module), x), image_field(network, name, images)
    row, column = (round((n // 2 + 0.5) * m / n - 0.5) for n, m in zip(x.shape[2:], images.shape[2:], strict=True))
    own_dilation = spec.dilation if isinstance(spec, BAMSpec) and own.side > 1 else None
    rows = []
    for dilation in [None] if own_dilation is None else sorted({*DILATIONS, own_dilation}):
        view = reach(layers, dilation)
        field = extent(own_field(module, x, dilation or 1), DRAWS)
        positions = len(view.offsets) ** 2
        rows.append({"dilation": dilation, "theoretical": view.side, "positions": positions, "own": field})
    return {
        "dilation": own_dilation,
        "theoretical": own.side,
        "positions": len(own.offsets) ** 2,
        "read": own.read(*x.shape[2:]),
        "on_maps": extent(on_maps, len(x)),
        "on_image": extent(on_images, len(images), (row, column))
        | {"theoretical": image_reach(network, name, images.shape[1:])},
        "by_dilation": rows,
        "by_size": [
            {"input": grid["input"], "map": size, "by_dilation": _shares(layers, rows, *size)}
            for grid in grids
            for size in [grid["maps"][name]]
        ],
    }, {"module": on_maps, "image": on_images}


def map_sizes(run: Run) -> list[dict[str, Any]]:
    """Return, for each of `SIZES` and the run's own, the input `(h, w)` and each module's map `(H, W)` by name.

    The images keep the shape of the run's, longer side first set; nothing is computed, on the meta device. A size that
    the network does not take is left out.
    """
    channels, *own = run.dataset.shape
    with torch.device("meta"):
        network = build(run).eval()
    sizes = {tuple(own)}
    sizes |= {(round(side * own[0] / max(own)), round(side * own[1] / max(own))) for side in SIZES}
    grids = []
    for height, width in sorted(sizes):
        with torch.no_grad():
            try:
                inputs, _ = module_inputs(network, torch.zeros(1, channels, height, width, device="meta"))
            except RuntimeError:
                continue
        grids.append({"input": [height, width], "maps": {name: list(x.shape[2:]) for name, x in inputs.items()}})
    return grids


def _shares(layers: nn.Module, rows: Sequence[dict[str, Any]], height: int, width: int) -> list[dict[str, Any]]:
    views = [(row["dilation"], reach(layers, row["dilation"]), row["own"]["rms"]) for row in rows]
    return [{"dilation": dilation} | fractions(view, rms, height, width) for dilation, view, rms in views]


def fractions(view: FieldOfView, rms: float | None, height: int, width: int) -> dict[str, Any]:
    """Return what of a `(height, width)` map its centre sees.

    `theoretical` and `rms_diameter` are lengths over the map's longer side, at most 1: the field's side, and twice the
    root mean square distance of the squared gradient from the centre, `rms`. `read` is the share of the map's positions
    that enter the sum at all.
    """
    longer = max(height, width)
    return {
        "theoretical": min(view.side, longer) / longer,
        "rms_diameter": None if rms is None else min(2 * rms, longer) / longer,
        "read": view.read(height, width) / (height * width),
    }
