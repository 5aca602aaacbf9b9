"""The authors' network, written from the paper's released structure with their names of weights.

An oracle: nothing of `lightning_bam` is in it. It pools over all positions, so that it also takes images that are
not square, which their pooling with a square window does not.
"""

from collections import OrderedDict

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

DEPTHS = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
}


class Module(nn.Module):
    """`x * (1 + sigmoid(channel * spatial))`."""

    def __init__(self, c):
        super().__init__()
        m = c // 16
        self.channel_att, self.spatial_att = nn.Module(), nn.Module()
        self.channel_att.gate_c = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                gate_c_fc_0=nn.Linear(c, m),
                gate_c_bn_1=nn.BatchNorm1d(m),
                gate_c_relu_1=nn.ReLU(),
                gate_c_fc_final=nn.Linear(m, c),
            )
        )
        self.spatial_att.gate_s = nn.Sequential(
            OrderedDict(
                gate_s_conv_reduce0=nn.Conv2d(c, m, 1),
                gate_s_bn_reduce0=nn.BatchNorm2d(m),
                gate_s_relu_reduce0=nn.ReLU(),
                gate_s_conv_di_0=nn.Conv2d(m, m, 3, padding=4, dilation=4),
                gate_s_bn_di_0=nn.BatchNorm2d(m),
                gate_s_relu_di_0=nn.ReLU(),
                gate_s_conv_di_1=nn.Conv2d(m, m, 3, padding=4, dilation=4),
                gate_s_bn_di_1=nn.BatchNorm2d(m),
                gate_s_relu_di_1=nn.ReLU(),
                gate_s_conv_final=nn.Conv2d(m, 1, 1),
            )
        )

    def forward(self, x):
        pooled = x.sum(dim=(2, 3), keepdim=True) / (x.shape[2] * x.shape[3])
        channel = self.channel_att.gate_c(pooled).unsqueeze(2).unsqueeze(3).expand_as(x)
        spatial = self.spatial_att.gate_s(x).expand_as(x)
        return (1 + 1 / (1 + torch.exp(-channel * spatial))) * x


class Authors(ResNet):
    """torchvision's ResNet with `bam1` to `bam3` after the first three stages; CIFAR's has a 3x3 stem and no pool."""

    def __init__(self, name, classes, imagenet):
        block, depths = DEPTHS[name]
        super().__init__(block, depths, num_classes=classes)
        if not imagenet:
            self.conv1, self.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
        for i in (1, 2, 3):
            self.add_module(f"bam{i}", Module(32 * 2**i * block.expansion))

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.bam1(self.layer1(x))
        x = self.bam2(self.layer2(x))
        x = self.bam3(self.layer3(x))
        return self.fc(self.layer4(x).mean(dim=(2, 3)))


def authors(name, classes, *, imagenet, seed=0):
    """Return their network in eval mode with weights and statistics that no initialisation gives."""
    torch.manual_seed(seed)
    network = Authors(name, classes, imagenet)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.0)
                layer.bias.uniform_(-0.2, 0.2)
                layer.running_mean.uniform_(-0.2, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
                layer.num_batches_tracked.fill_(7)
    return network.eval()


def checkpoint(network, **more):
    """Return what their training script writes: `module.` before each name."""
    state = OrderedDict((f"module.{name}", value) for name, value in network.state_dict().items())
    return {"epoch": 99, "arch": "resnet50", "state_dict": state, "best_prec1": torch.tensor(75.98), **more}
