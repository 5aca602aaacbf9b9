"""Receptive fields of stacks worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_bam import BAM, BAMSpec, ClutteredDigits, ResNet50, Run, SmallResNet, build
from lightning_bam.inspection.field import FieldOfView, energy, extent, image_reach, noise, own_field, reach
from lightning_bam.inspection.maps import redilated
from lightning_bam.inspection.receptive_field import fractions, map_sizes


def ones(*layers):
    """A stack whose weights are all 1, in float64."""
    stack = nn.Sequential(*layers).double()
    for parameter in stack.parameters():
        nn.init.ones_(parameter)
    return stack


@pytest.mark.parametrize("dilation", [1, 2, 4, 6])
def test_the_branch_sees_one_plus_four_times_its_dilation(dilation):
    """1x1, 3x3, 3x3, 1x1: 1 + 2d + 2d, and 5 x 5 positions whatever d is."""
    view = reach(BAM(16, dilation=dilation).spatial)
    assert view == FieldOfView(tuple(dilation * k for k in (-2, -1, 0, 1, 2)))
    assert view.side == 1 + 4 * dilation
    assert reach(BAM(16, dilation=3).spatial, dilation) == view
    assert reach(BAM(16, dilation=dilation, dilated_convs=0).spatial) == FieldOfView((0,))


def test_what_the_centre_of_a_map_sees_of_it():
    view = reach(BAM(16).spatial)
    assert view.read(56, 56) == 25
    assert view.read(12, 30) == 3 * 5, "rows 2, 6 and 10 of 12"
    assert fractions(view, None, 56, 28) == {
        "theoretical": 17 / 56,
        "rms_diameter": None,
        "read": 25 / (56 * 28),
    }


def test_energy_of_two_dilated_convs_counts_paths():
    """One axis: ones over {-2, 0, 2} twice are 1, 2, 3, 2, 1 paths to -4, -2, 0, 2, 4; the energy is their square."""
    stack = ones(*(nn.Conv2d(1, 1, 3, padding=2, dilation=2, bias=False) for _ in range(2)))
    field = energy(stack, torch.zeros(3, 1, 11, 13, dtype=torch.float64))
    paths = torch.zeros(11, 13, dtype=torch.float64)
    axis = torch.tensor([1.0, 2, 3, 2, 1], dtype=torch.float64)
    paths[1:10:2, 2:11:2] = axis[:, None] * axis
    assert torch.equal(field, paths.square())
    along = {0: 9, 2: 8, 4: 2}  # squares of one axis, both signs together; they sum to 19
    shares = {81 / 361: 1, 82 / 361: 5, 17**2 / 361: 5, 0.95: 9}
    assert {share: extent(field, 3, share=share)["side"] for share in shares} == shares
    assert extent(field, 3)["rms"] == pytest.approx((2 * (along[2] * 4 + along[4] * 16) / 19) ** 0.5, rel=1e-12)


def test_a_dead_branch_has_no_effective_field():
    field = torch.zeros(3, 5, dtype=torch.float64)
    assert extent(field, 2) == {"n": 2, "centre": [1, 2], "side": None, "rms": None}


def test_a_redilated_branch_keeps_its_weights_and_the_size_of_the_map():
    branch = BAM(16, dilation=4).spatial.eval()
    other = redilated(branch, 6)
    assert all(torch.equal(a, b) for a, b in zip(branch.parameters(), other.parameters(), strict=True))
    assert branch.conv1.dilation == (4, 4)
    x = torch.randn(1, 16, 7, 9, generator=torch.Generator().manual_seed(0))
    same = BAM(16, dilation=6).eval()
    same.spatial.load_state_dict(branch.state_dict())
    assert torch.equal(other(x), same.spatial(x))


def test_the_field_of_its_own_weights_lies_on_the_read_positions():
    x = torch.randn(4, 32, 5, 6, generator=torch.Generator().manual_seed(0))
    grid = torch.zeros(13, 13, dtype=torch.bool)
    grid[::3, ::3] = True
    own = own_field(BAM(32).eval(), x, 3)
    assert own.shape == (13, 13)
    assert float(own[~grid].sum()) == 0
    assert float(own[6, 6]) > 0


def test_noise_has_the_means_and_deviations_of_the_input():
    x = torch.randn(8, 3, 20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x * torch.tensor([1.0, 2, 5])[:, None, None] + torch.tensor([0.0, -7, 3])[:, None, None]
    made = noise(x, 50, 8)
    assert made.shape == (8, 3, 50, 50)
    torch.testing.assert_close(made.mean((0, 2, 3)), x.mean((0, 2, 3)), atol=0.3, rtol=0)
    torch.testing.assert_close(made.std((0, 2, 3)), x.std((0, 2, 3)), atol=0.1, rtol=0)


@pytest.mark.parametrize("branches", ["both", "spatial"])
def test_on_the_image_the_field_grows_by_what_stands_before(branches):
    """Stem 3, two 3x3 convs: 7; then 16 more at d = 4. Behind stride 2: 7 + 2 + 4 + (4 + 4) * 2 at d = 2."""
    run = Run(
        dataset=ClutteredDigits(size=64),
        backbone=SmallResNet(width=4),
        attention=BAMSpec(reduction=4, branches=branches),
    )
    assert image_reach(build(run), "layer1", run.dataset.shape) == (23, 23)
    assert image_reach(build(run), "layer1", (3, 15, 64)) == (15, 23), "cut at the border"
    near = build(Run(dataset=run.dataset, backbone=run.backbone, attention=BAMSpec(reduction=4, dilation=2)))
    assert image_reach(near, "layer2", run.dataset.shape) == (29, 29)


def test_at_224_px_the_first_map_of_resnet50_is_covered_to_30_percent():
    run = Run(backbone=ResNet50(stem="imagenet"), attention=BAMSpec())
    sizes = {tuple(grid["input"]): grid["maps"] for grid in map_sizes(run)}
    assert sizes[224, 224] == {"layer1": [56, 56], "layer2": [28, 28], "layer3": [14, 14]}
    view = reach(BAM(256).spatial)
    assert fractions(view, None, 56, 56)["theoretical"] == pytest.approx(0.304, abs=5e-4)
    assert fractions(view, 3.5, 14, 14) == {"theoretical": 1, "rms_diameter": 0.5, "read": 9 / 196}
