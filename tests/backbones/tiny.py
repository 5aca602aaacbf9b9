"""The smallest network of each family."""

from lightning_bam import PreResNet, ResNet18, ResNet34, ResNet50, ResNet101, ResNeXt29, SmallResNet, WideResNet

TINY = {
    "small_resnet": SmallResNet(width=4),
    "resnet18": ResNet18(width=4),
    "resnet34": ResNet34(width=4),
    "resnet50": ResNet50(width=4),
    "resnet101": ResNet101(width=4),
    "wrn28": WideResNet(widen_factor=1),
    "preresnet": PreResNet(depth=20),
    "resnext29": ResNeXt29(cardinality=2, base_width=4),
}
