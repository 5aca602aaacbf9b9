"""BAM against its formulas, written out a second time in float64: forward and gradient."""

import pytest
import torch
import torch.nn.functional as F

from lightning_bam import BAM
from tests.lightning_bam.attention.contract import C, image, randomise

SETTINGS = {
    "equations": {},
    "released": {"norm": "hidden", "combine": "product"},
    "norm_both": {"norm": "both"},
    "maps": {"norm": "maps"},
    "maps_product": {"norm": "maps", "combine": "product"},
    "maps_max": {"norm": "maps", "combine": "max", "dilated_convs": 1},
    "maps_channel": {"norm": "maps", "branches": "channel"},
    "maps_spatial": {"norm": "maps", "branches": "spatial"},
    "to_the_letter": {"activation": "none"},
    "max": {"combine": "max"},
    "product": {"combine": "product"},
    "channel": {"branches": "channel"},
    "spatial": {"branches": "spatial"},
    "no_dilated": {"dilated_convs": 0},
    "one_dilated": {"dilated_convs": 1, "dilation": 1},
    "three_dilated": {"dilated_convs": 3, "dilation": 2, "norm": "both"},
    "two_channel_layers": {"channel_layers": 2, "norm": "both"},
    "no_residual": {"residual": False},
    "all_else": {"norm": "hidden", "activation": "none", "combine": "max", "channel_layers": 2, "dilation": 3},
}


def norm(state, name, x, training, kept=None):
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    mean = x.mean(axes) if training else state[f"{kept or name}.running_mean"]
    var = x.var(axes, correction=0) if training else state[f"{kept or name}.running_var"]
    scaled = (x - mean.reshape(shape)) / (var.reshape(shape) + 1e-5).sqrt()
    return scaled * state[f"{name}.weight"].reshape(shape) + state[f"{name}.bias"].reshape(shape)


def oracle(state, x, training, knobs):
    where, acts = knobs.get("norm", "ends"), knobs.get("activation", "relu") == "relu"
    dilation, branches = knobs.get("dilation", 4), knobs.get("branches", "both")

    def between(branch, layer, v):
        if where in ("hidden", "both", "maps"):
            v = norm(state, f"{branch}.norm{layer}", v, training)
        return F.relu(v) if acts else v

    def end(branch, v):
        if where == "maps" and branch == "spatial":
            return norm(state, "spatial.norm_out", v.expand(-1, C, -1, -1), training, kept="spatial.norm_out.norm")
        if where == "maps":
            return norm(state, "channel.norm_out", v, training)
        return norm(state, f"{branch}.norm_out", v, training) if where in ("ends", "both") else v

    def part(name):
        return state[f"{name}.weight"], state[f"{name}.bias"]

    s_c = s_s = None
    if branches != "spatial":
        v = x.flatten(2).sum(2) / (x.shape[2] * x.shape[3])
        for layer in range(knobs.get("channel_layers", 1)):
            v = between("channel", layer, F.linear(v, *part(f"channel.fc{layer}")))
        s_c = end("channel", F.linear(v, *part("channel.fc_out")))[:, :, None, None]
    if branches != "channel":
        v = between("spatial", 0, F.conv2d(x, *part("spatial.conv0")))
        for layer in range(1, knobs.get("dilated_convs", 2) + 1):
            v = F.conv2d(F.pad(v, [dilation] * 4), *part(f"spatial.conv{layer}"), dilation=dilation)
            v = between("spatial", layer, v)
        s_s = end("spatial", F.conv2d(v, *part("spatial.conv_out")))
    if s_c is None or s_s is None:
        s = s_c if s_s is None else s_s
    else:
        combine = knobs.get("combine", "sum")
        s = {"sum": s_c + s_s, "product": s_c * s_s, "max": torch.where(s_c > s_s, s_c, s_s)}[combine]
    gate = 1 / (1 + torch.exp(-s))
    return gate * x + x if knobs.get("residual", True) else gate * x


@pytest.mark.parametrize("knobs", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("size", [(7, 7), (5, 11)], ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_forward_and_gradient(knobs, size, training):
    bam = randomise(BAM(C, reduction=4, **knobs)).train(training)
    x = image(3, C, *size).requires_grad_()
    state = {name: value.clone() for name, value in bam.named_buffers()} | dict(bam.named_parameters())
    expected = oracle(state, x, training, knobs)
    y = bam(x)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    cotangent, leaves = image(*y.shape, seed=2), [x, *bam.parameters()]
    ours = torch.autograd.grad(y, leaves, cotangent)
    theirs = torch.autograd.grad(expected, leaves, cotangent)
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)


def test_training_moves_the_running_statistics_and_eval_does_not():
    bam, x = randomise(BAM(C, reduction=4)), image(3, C, 5, 7)
    before = bam.channel.norm_out.running_mean.clone()
    bam.eval()(x)
    assert torch.equal(bam.channel.norm_out.running_mean, before)
    bam.train()(x)
    assert not torch.equal(bam.channel.norm_out.running_mean, before)
