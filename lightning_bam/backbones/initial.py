"""The starting weights that torchvision gives its residual networks."""

from __future__ import annotations

from torch import nn


def he_normal(network: nn.Module) -> None:
    """Draw each conv's weights from N(0, 2 / fan_out) (He et al., ICCV 2015), in the order of `network.modules()`."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
