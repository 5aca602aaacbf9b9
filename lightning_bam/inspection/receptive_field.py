"""Receptive fields as numbers: per module, per dilation, and against the size of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.config import BAMSpec, Run
from lightning_bam.inspection.attended import Attended, attention_modules, module_inputs
from lightning_bam.inspection.branch import (
    DRAWS,
    as_function,
    image_field,
    image_reach,
    own_field,
    random_field,
    spatial_layers,
)
from lightning_bam.inspection.field import SHARE, FieldOfView, energy, reach, rms_radius, side_holding
from lightning_bam.network import build

DILATIONS: Final = (1, 2, 4, 6)
"""Dilations compared, beside the run's own."""

SIZES: Final = (32, 64, 128, 224)
"""Longer sides of the images, in px, that the field is held against, beside the run's own."""

Arrays = dict[str, Tensor]


def field_view(
    run: Run, network: nn.Module, name: str, x: Tensor, images: Tensor, grids: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any] | None, Arrays]:
    """Return the numbers and the energies of one module's spatial branch; None without such a branch.

    `positions` are those that the field reads on a map that holds it whole, `read` those on this module's own map.

    Args:
        run: whose network it is.
        network: trained, in eval mode.
        name: of the module.
        x: what reaches it from `images`, `(N, C, H, W)`.
        images: normalised, `(N, c, h, w)`.
        grids: of `map_sizes`.

    """
    module = attention_modules(network)[name]
    layers = spatial_layers(module)
    if layers is None:
        return None, {}
    own = reach(layers)
    on_maps, on_images = energy(as_function(module, layers), x), image_field(network, name, images)
    height, width = x.shape[2:]
    centre = tuple(round((n // 2 + 0.5) * m / n - 0.5) for n, m in zip((height, width), images.shape[2:], strict=True))
    spec = run.attention
    swept = sorted({*DILATIONS, spec.dilation}) if isinstance(spec, BAMSpec) and own.side > 1 else [None]
    rows, arrays = [], {"module": on_maps, "image": on_images}
    for dilation in swept:
        row, fields = _at_dilation(module, spec, x, dilation)
        rows.append(row)
        arrays |= fields
    return {
        "dilation": spec.dilation if isinstance(spec, BAMSpec) and own.side > 1 else None,
        "theoretical": own.side,
        "positions": len(own.offsets) ** 2,
        "read": own.read(height, width),
        "on_maps": _measured(on_maps, len(x)),
        "on_image": {
            **_measured(on_images, len(images), (centre[0], centre[1])),
            "theoretical": image_reach(network, name, images.shape[1:]),
        },
        "by_dilation": rows,
        "by_size": [_against(grid, name, rows, layers) for grid in grids],
    }, arrays


def _at_dilation(module: Attended, spec: Any, x: Tensor, dilation: int | None) -> tuple[dict[str, Any], Arrays]:
    layers = spatial_layers(module)
    assert layers is not None
    view, label = reach(layers, dilation), dilation or 1
    fields = {f"own_{label}": own_field(module, x, label)}
    if isinstance(spec, BAMSpec):
        fields[f"random_{label}"] = random_field(spec, x, label)
    return {
        "dilation": dilation,
        "theoretical": view.side,
        "positions": len(view.offsets) ** 2,
        **{key.partition("_")[0]: _measured(field, DRAWS) for key, field in fields.items()},
    }, fields


def _measured(field: Tensor, n: int, centre: tuple[int, int] | None = None) -> dict[str, Any]:
    centre = centre or (field.shape[0] // 2, field.shape[1] // 2)
    return {
        "n": n,
        "centre": list(centre),
        "side": side_holding(field, SHARE, centre),
        "rms": rms_radius(field, centre),
    }


def map_sizes(run: Run) -> list[dict[str, Any]]:
    """Return, for each of `SIZES` and the run's own, the input `(h, w)` and each module's map `(H, W)` by name.

    The images keep the shape of the run's, longer side first set; found on the meta device, without computing. A size
    that the network does not take is left out.
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
                seen, _ = module_inputs(network, torch.zeros(1, channels, height, width, device="meta"))
            except RuntimeError:
                continue
        grids.append({"input": [height, width], "maps": {name: list(x.shape[2:]) for name, x in seen.items()}})
    return grids


def _against(grid: dict[str, Any], name: str, rows: Sequence[dict[str, Any]], layers: nn.Module) -> dict[str, Any]:
    height, width = grid["maps"][name]
    return {
        "input": grid["input"],
        "map": [height, width],
        "by_dilation": [
            {"dilation": row["dilation"]} | fractions(reach(layers, row["dilation"]), row["own"], height, width)
            for row in rows
        ],
    }


def fractions(view: FieldOfView, effective: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """Return what of a `(height, width)` map its centre sees.

    `theoretical`, `effective` and `rms_diameter` are lengths over the map's longer side, at most 1: the field's side,
    the side that holds `SHARE` of the squared gradient, and twice its root mean square distance from the centre. `area`
    is the theoretical field's share of the map's area, `read` the share of its positions that enter the sum at all.
    """
    rows, columns = view.seen(height, width)
    longer = max(height, width)
    return {
        "theoretical": min(view.side, longer) / longer,
        "effective": None if effective["side"] is None else min(effective["side"], longer) / longer,
        "rms_diameter": None if effective["rms"] is None else min(2 * effective["rms"], longer) / longer,
        "area": rows * columns / (height * width),
        "read": view.read(height, width) / (height * width),
    }
