"""Parameters and multiply-accumulates of one BAM."""

import pytest

from lightning_bam import BAM, count_module

RELEASED = {
    64: (7_953, 2_857, 1_173, 547, 1_303),
    256: (123_969, 43_681, 17_361, 7_657, 17_875),
    512: (493_697, 173_377, 68_513, 29_905, 69_539),
    1024: (1_970_433, 690_817, 272_193, 118_177, 274_243),
}


def weights(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("channels", RELEASED)
def test_parameters_of_the_released_structure(channels):
    counted = [weights(BAM(channels, reduction=r, norm="hidden")) for r in (4, 8, 16, 32)]
    assert (*counted, weights(BAM(channels, norm="both"))) == RELEASED[channels]


@pytest.mark.parametrize(("channels", "m"), [(216, 13), (108, 6), (300, 18), (150, 9)])
def test_parameters_where_the_reduction_does_not_divide_the_channels(channels, m):
    # the four places of DenseNet-BC
    counted = weights(BAM(channels, norm="hidden"))
    assert counted == 3 * channels * m + 18 * m * m + channels + 13 * m + 1


@pytest.mark.parametrize("convs", [0, 1, 3])
def test_parameters_of_each_dilated_conv(convs):
    m = 16
    assert weights(BAM(256, norm="hidden", dilated_convs=convs)) == 17_361 + (convs - 2) * (9 * m * m + 3 * m)


@pytest.mark.parametrize(("channels", "reduction", "size"), [(256, 16, (32, 32)), (37, 5, (7, 11)), (1024, 4, (8, 8))])
def test_macs(channels, reduction, size):
    m, (height, width) = channels // reduction, size
    for dilation in (1, 4):
        cost = count_module(BAM(channels, reduction=reduction, dilation=dilation), (channels, height, width))
        assert cost.macs == 2 * channels * m + height * width * (channels * m + 18 * m * m + m)
