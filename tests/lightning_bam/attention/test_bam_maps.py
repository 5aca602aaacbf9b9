"""`norm="maps"` against batch norms of maps that are really broadcast, and its count."""

import pytest
import torch
from torch import nn

from lightning_bam import BAM, CIFAR100, BAMSpec, ConfigError, ResNet50, Run, count
from lightning_bam.attention.layers import BroadcastNorm
from tests.lightning_bam.attention.contract import C, image, randomise


def pair(training):
    """A BroadcastNorm and the slow norm with its weights and statistics."""
    ours = randomise(BroadcastNorm(C)).train(training)
    slow = nn.BatchNorm2d(C).double().train(training)
    with torch.no_grad():
        slow.weight.copy_(ours.weight)
        slow.bias.copy_(ours.bias)
        slow.running_mean.copy_(ours.norm.running_mean.expand(C))
        slow.running_var.copy_(ours.norm.running_var.expand(C))
    return ours, slow


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("size", [(7, 7), (5, 11), (1, 1)], ids=str)
def test_the_norm_is_that_of_a_map_broadcast_to_every_channel(training, size):
    ours, slow = pair(training)
    x = image(3, 1, *size).requires_grad_()
    got, wanted = ours(x), slow(x.expand(-1, C, -1, -1))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    cotangent = image(3, C, *size, seed=2)
    grads = torch.autograd.grad(got, [x, ours.weight, ours.bias], cotangent)
    slow_grads = torch.autograd.grad(wanted, [x, slow.weight, slow.bias], cotangent)
    for one, other in zip(grads, slow_grads, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    for name in ("running_mean", "running_var"):
        kept = getattr(ours.norm, name)
        assert kept.shape == (1,)
        torch.testing.assert_close(kept.expand(C), getattr(slow, name), rtol=0, atol=1e-12)
    assert ours.norm.num_batches_tracked == slow.num_batches_tracked == int(training)


def test_the_statistics_move_in_training_alone():
    bam, x = randomise(BAM(C, reduction=4, norm="maps")), image(3, C, 5, 7)
    before = {name: value.clone() for name, value in bam.named_buffers() if "running" in name}
    bam.eval()(x)
    assert all(torch.equal(before[name], value) for name, value in bam.named_buffers() if name in before)
    bam.train()(x)
    assert not any(torch.equal(before[name], value) for name, value in bam.named_buffers() if name in before)
    assert {name for name in before if "norm_out" in name} == {
        f"{norm}.running_{kind}" for norm in ("channel.norm_out", "spatial.norm_out.norm") for kind in ("mean", "var")
    }


def test_a_fresh_norm_of_the_channel_map_is_over_the_batch_and_of_the_spatial_map_over_all():
    bam = BAM(C, reduction=4, norm="maps").double()
    x = image(5, C, 7, 11)
    channel, spatial = bam._channel_map(x), bam._spatial_map(x)
    assert channel.shape == (5, C, 1, 1)
    torch.testing.assert_close(channel.mean(0), torch.zeros(C, 1, 1, dtype=torch.float64), rtol=0, atol=1e-12)
    assert spatial.shape == (5, C, 7, 11)
    assert torch.equal(spatial, spatial[:, :1].expand(-1, C, -1, -1)), "weights start equal"
    torch.testing.assert_close(spatial.mean((0, 2, 3)), torch.zeros(C, dtype=torch.float64), rtol=0, atol=1e-12)


def test_zero_init_learns():
    bam = BAM(C, reduction=4, init="zero", norm="maps")
    bam(image(3, C, 5, 7).float()).square().sum().backward()
    for branch in (bam.channel, bam.spatial):
        assert (branch.norm_out.weight.grad != 0).all()


def test_zero_init_with_product_is_refused():
    with pytest.raises(ConfigError, match="never learns"):
        BAM(C, reduction=4, init="zero", norm="maps", combine="product")


def test_synchronised_norms_keep_weights_and_values():
    bam = randomise(BAM(C, reduction=4, norm="maps")).eval()
    x = image(2, C, 5, 11)
    y, names = bam(x), list(bam.state_dict())
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(bam)
    assert isinstance(synchronised.spatial.norm_out.norm, nn.SyncBatchNorm)
    assert list(synchronised.state_dict()) == names
    torch.testing.assert_close(synchronised(x), y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("channels", [31, 64, 256, 512, 1024])
def test_four_c_more_than_hidden(channels):
    counted = {norm: sum(p.numel() for p in BAM(channels, norm=norm).parameters()) for norm in ("hidden", "maps")}
    assert counted["maps"] == counted["hidden"] + 4 * channels


def test_count_and_work_of_resnet50():
    run = Run(dataset=CIFAR100(), backbone=ResNet50(stride_on="1x1"), attention=BAMSpec(norm="maps"))
    cost = count(run)
    assert cost.params == 24_063_319 + 4 * (256 + 512 + 1024) == 24_070_487
    assert cost.macs == 1_249_456_128


def test_a_channel_branch_alone_is_the_same_run_under_maps_and_both():
    keys = {norm: Run(attention=BAMSpec(branches="channel", norm=norm)).key for norm in ("maps", "both", "hidden")}
    assert keys["maps"] == keys["both"] != keys["hidden"]
    made = [randomise(BAM(C, reduction=4, branches="channel", norm=norm)) for norm in ("maps", "both")]
    x = image(3, C, 5, 7)
    assert torch.equal(made[0](x), made[1](x))
    for branches in ("both", "spatial"):
        assert len({Run(attention=BAMSpec(branches=branches, norm=norm)).key for norm in ("maps", "both")}) == 2
