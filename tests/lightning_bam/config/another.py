"""For any field of any spec, a value other than its default."""

from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lightning_bam import ResNet18

EXPLICIT = {
    ("small_resnet", "depth"): 14,
    ("preresnet", "depth"): 11,
    ("densenet_bc", "depth"): 40,
    ("cbam", "kernel_size"): 5,
    ("triplet_attention", "kernel_size"): 5,
    ("gather_excite", "extent"): 4,
    ("after_stages", "stages"): (2,),
    ("at_layers", "layers"): ("layer2",),
    ("sgd", "milestones"): (0.5, 0.75),
    ("sgd", "momentum"): 0.8,
    ("sgd", "optimizer"): "adamw",
    ("sgd", "optimizer_options"): {"betas": (0.875, 0.95), "eps": 1e-7, "amsgrad": True},
    ("sgd", "clip_grad_norm"): 1.5,
    ("sgd", "mixup"): 0.2,
    ("sgd", "cutmix"): 1.0,
    ("sgd", "ema"): 0.99,
    ("image_folder", "name"): "pets",
    ("image_folder", "split"): 0.75,
    **{(kind, "train"): 100 for kind in ("cifar10", "cifar100", "digits", "fashion_mnist", "image_folder", "imagenet")},
    **{(kind, "train"): 100 for kind in ("coco_detection", "svhn", "voc_detection")},
    ("coco_detection", "name"): "pets",
    ("voc_detection", "name"): "pets",
    ("ssd", "first_boxes"): 6,
    ("ssd", "top_down"): 256,
    ("faster_rcnn", "trunk"): ResNet18(width=8),
    **dict.fromkeys((("torchvision", "name"), ("timm", "name")), "resnet34"),
    **dict.fromkeys((("torchvision", "weights"), ("timm", "weights")), "w.pth"),
    **dict.fromkeys((("torchvision", "sha256"), ("timm", "sha256")), "0123456789abcdef"),
    ("timm", "arguments"): {"rd_ratio": 0.25, "gate_layer": "hard_sigmoid"},
}
REQUIRED: dict[str, dict[str, Any]] = {
    "image_folder": {"name": "cars"},
    "at_layers": {"layers": ("layer1",)},
    "torchvision": {"name": "resnet18"},
    "timm": {"name": "eca"},  # the attention's and the backbone's kind
}
FILE = {"weights": "v.pth", "sha256": "fedcba9876543210"}
PARTNERS: dict[tuple[str, str], dict[str, Any]] = {
    ("gather_excite", "gather"): {"extent": 4},
    ("gather_excite", "reduction"): {"mlp": True},
    **{(kind, name): FILE for kind in ("torchvision", "timm") for name in FILE},
}
"""Other fields of a spec with which a field plays a part, or may have another value."""


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


def plain(cls: Any, name: str = "") -> Any:
    """Return the spec with its defaults, and something where it has none or the field `name` would play no part."""
    return cls(**REQUIRED.get(cls.kind, {}), **PARTNERS.get((cls.kind, name), {}))
