"""The smallest network of each family."""

from lightning_bam import (
    DenseNet,
    MobileNet,
    PreResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNeXt29,
    ResNeXt50,
    SmallResNet,
    SqueezeNet,
    WideResNet,
)

TINY = {
    "small_resnet": SmallResNet(width=4),
    "resnet18": ResNet18(width=4),
    "resnet34": ResNet34(width=4),
    "resnet50": ResNet50(width=4),
    "resnet101": ResNet101(width=4),
    "wrn28": WideResNet(widen_factor=1),
    "preresnet": PreResNet(depth=20),
    "resnext29": ResNeXt29(cardinality=2, base_width=4),
    "resnext50": ResNeXt50(cardinality=2, base_width=4),
    "densenet_bc": DenseNet(depth=10, growth=4),
    "mobilenet_v1": MobileNet(width=0.125),
    "squeezenet1_1": SqueezeNet(),
}
RESIDUAL = [kind for kind in TINY if kind not in ("densenet_bc", "mobilenet_v1", "squeezenet1_1")]
