"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360), torchvision's."""

from torch import Tensor, nn
from torchvision.models import squeezenet1_1
from torchvision.models.squeezenet import Fire

from lightning_bam.backbones.layers import SharedDropout, Staged


class SqueezeNet(Staged):
    """torchvision's SqueezeNet 1.1 and its parameter names, for images of `in_channels` channels.

    Attention in every block stands behind each fire module, which ends with a concatenation. The four stages end with
    the first pooling layer (64 channels) and with the last fire module before each other one (128, 256 and 512). That
    BAM stands behind the first three is inferred, as the paper does not say it: with it the parameters are the printed
    1.26 M and the module's MACs, 14.6 M, are the printed difference, 0.304 - 0.290 G. The printed GMACs themselves do
    not follow from the structure, which has 0.349 without BAM.
    """

    smallest = 17

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        theirs = squeezenet1_1(weights=None, num_classes=classes)
        self.features, self.classifier = theirs.features, theirs.classifier
        self.classifier[0] = SharedDropout(p=self.classifier[0].p)
        if in_channels != 3:
            self.features[0] = nn.Conv2d(in_channels, 64, 3, stride=2)
            nn.init.kaiming_uniform_(self.features[0].weight)
            nn.init.zeros_(self.features[0].bias)
        self.blocks = [f"features.{i}" for i, layer in enumerate(self.features) if isinstance(layer, Fire)]
        self.stages = ["features.2", "features.4", "features.7", "features.12"]

    def forward(self, x: Tensor) -> Tensor:
        """Classify images `(N, C, H, W)`; returns logits `(N, classes)`."""
        logits: Tensor = self.classifier(self.features(x)).flatten(1)
        return logits

    def extra_block(self, channels: int) -> nn.Module:
        """Build a fire module, `(N, channels, H, W)` to the same shape, an eighth of it squeezed."""
        block: nn.Module = Fire(channels, channels // 8, channels // 2, channels // 2)
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        return block
