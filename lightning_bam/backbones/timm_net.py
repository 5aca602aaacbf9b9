"""Any network of timm, by its name."""

from functools import partial
from typing import Any

from torch import nn

from lightning_bam.attention.timm import import_timm
from lightning_bam.backbones.library import create
from lightning_bam.backbones.pretrained import load_weights
from lightning_bam.config import ConfigError, Timm, nearest


def timm_net(spec: Timm, channels: int, classes: int, size: tuple[int, int]) -> nn.Module:
    """Return the network for images of `channels` channels and `size` `(H, W)`, with the weights of its file if any.

    The size is told to those networks that timm says are made for one. ConfigError: timm is not installed, a name that
    it does not know, a size that the network cannot be made for, or weights that do not fit.
    """
    timm = import_timm("backbone=timm")
    if "." in spec.name or not timm.is_model(spec.name):  # a tag names pretrained weights
        raise ConfigError(
            f"backbone.name={spec.name}: timm {timm.__version__} has no network of that name; "
            f"{nearest(spec.name, timm.list_models())}"
        )
    about = timm.get_pretrained_cfg(spec.name)
    of_size = {"img_size": size} if about is not None and about.fixed_input_size else {}
    make = partial(timm.create_model, spec.name, pretrained=False, num_classes=classes, in_chans=channels, **of_size)
    network = create(spec, make)
    cfg: Any = network.pretrained_cfg
    heads = cfg.get("classifier") or ()
    load_weights(network, spec, [heads] if isinstance(heads, str) else heads)
    return network
