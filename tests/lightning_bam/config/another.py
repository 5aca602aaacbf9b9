"""For any field of any spec, a value other than its default."""

from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lightning_bam import ResNet18

EXPLICIT = {
    ("small_resnet", "depth"): 14,
    ("preresnet", "depth"): 11,
    ("densenet_bc", "depth"): 40,
    ("cbam", "kernel_size"): 5,
    ("after_stages", "stages"): (2,),
    ("at_layers", "layers"): ("layer2",),
    ("sgd", "milestones"): (0.5, 0.75),
    ("sgd", "momentum"): 0.8,
    ("image_folder", "name"): "pets",
    ("coco_detection", "name"): "pets",
    ("faster_rcnn", "trunk"): ResNet18(width=8),
}
REQUIRED: dict[str, dict[str, Any]] = {"image_folder": {"name": "cars"}, "at_layers": {"layers": ("layer1",)}}


def another(cls: Any, name: str) -> Any:
    """Return a valid value that is not the default of the field `name`."""
    if (cls.kind, name) in EXPLICIT:
        return EXPLICIT[cls.kind, name]
    default = next(f.default for f in fields(cls) if f.name == name)
    assert default is not MISSING, f"{cls.kind}.{name}: say another value in EXPLICIT"
    hint = get_type_hints(cls)[name]
    if get_origin(hint) is Literal:
        return next(value for value in get_args(hint) if value != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, float):
        return default / 2 + 0.001
    assert isinstance(default, int), f"{cls.kind}.{name}: say another value in EXPLICIT"
    return default + 1


def plain(cls: Any) -> Any:
    """Return the spec with its defaults, and something where it has none."""
    return cls(**REQUIRED.get(cls.kind, {}))
