"""Attention in a network of one's own, and every refusal as text."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torchvision.models import swin_t

from lightning_bam import BAM, SE, BAMSpec, ConfigError, SESpec, insert


class Own(nn.Module):
    """A network that calls a layer twice, one never, and gives odd outputs in between."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.twice = nn.ReLU()
        self.pair = Pair()
        self.never = nn.Conv2d(3, 8, 1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, x):
        if x.shape[-1] < 5:
            raise AssertionError(f"{x.shape[-1]} columns\nare too few")
        x = self.twice(self.norm(self.stem(x)))
        return self.head(self.twice(self.pair(x)[0]))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


class Counted(nn.Module):
    def forward(self, x):
        return x.long()


class Aliased(nn.Module):
    """A network that calls a layer by its second name."""

    def __init__(self, layer):
        super().__init__()
        self.first = layer
        self.second = layer

    def forward(self, x):
        return self.second(x)


REFUSED = [
    ([], "at=[]: name at least one layer"),
    (["stemm"], "layer 'stemm': the network has none of that name; did you mean 'stem'?"),
    (
        [""],
        "layer '': the network has none of that name; "
        "known: head, head.0, head.1, head.2, never, norm, pair, stem, twice",
    ),
    (["stem", "stem"], "layer 'stem': named 2 times, as 'stem', 'stem'"),
    (["twice"], "layer 'twice': called 2 times in one pass; name a layer called once"),
    (["never"], "layer 'never': called 0 times in one pass; name a layer called once"),
    (["stem", "pair"], "layer 'pair': gives tuple, attention needs (N, C, H, W)"),
    (["stem", "head.1"], "layer 'head.1': gives (1, 8), attention needs (N, C, H, W)"),
    (
        ["stem"],
        "layer 'stem': reduction=16: 8 channels are fewer than that and leave no hidden channel; "
        "use a reduction of at most 8",
    ),
]


@pytest.mark.parametrize(("at", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_refusals_leave_the_network_as_it_was(at, message):
    model = Own()
    names, hooks = list(model.state_dict()), [len(m._forward_hooks) for m in model.modules()]
    with pytest.raises(ConfigError) as caught:
        insert(model, BAMSpec(), at=at)
    assert str(caught.value) == message
    assert list(model.state_dict()) == names
    assert [len(m._forward_hooks) for m in model.modules()] == hooks
    assert all(m.training for m in model.modules())


WANTED = "give a spec as BAMSpec(), or a function from channels to a module as `lambda channels: BAM(channels)`"


@pytest.mark.parametrize(
    ("attention", "said"),
    [
        (BAM(16), "attention=BAM(...)"),
        (nn.Identity(), "attention=Identity(...)"),
        ("bam", "attention='bam'"),
        (None, "attention=None"),
        (BAMSpec, "attention=<class 'lightning_bam.config.attention.BAMSpec'>"),
        (lambda channels: channels, "layer 'stem': attention gave 8 for 8 channels"),
        (lambda channels: BAMSpec(), "layer 'stem': attention gave BAMSpec("),
    ],
    ids=range(7),
)
def test_what_is_neither_a_spec_nor_makes_a_module_is_refused(attention, said):
    model = Own()
    with pytest.raises(ConfigError) as caught:
        insert(model, attention, at=["stem"])
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith(f": {WANTED}")
    assert not hasattr(model.stem, "attention")


def test_a_place_holds_one_attention():
    model = insert(Own(), BAMSpec(reduction=2), at=["stem"])
    with pytest.raises(ConfigError) as caught:
        insert(model, BAMSpec(reduction=2), at=["norm", "stem"])
    assert str(caught.value) == "layer 'stem': has something of the name 'attention' already"
    assert not hasattr(model.norm, "attention")


@pytest.mark.parametrize(
    ("shape", "said"),
    [((3, 4, 4), "4 columns"), ((4, 8, 8), "Given groups=1, weight of size"), ((3, 8, 3), "3 columns")],
)
def test_an_image_that_the_network_does_not_take(shape, said):
    model = Own()
    with pytest.raises(ConfigError) as caught:
        insert(model, BAMSpec(reduction=2), at=["stem"], input_shape=shape)
    assert str(caught.value).startswith(f"input_shape={shape}: the network does not accept it ({said}")
    assert "\n" not in str(caught.value)
    assert model.training


@pytest.mark.parametrize("layer", ["0", "1", "2"])
def test_a_plain_sequential(layer):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.BatchNorm2d(7), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.randn(5, 3, 9, 11)
    before = model[: int(layer) + 1].eval()(x)
    insert(model, SESpec(reduction=3), at=[layer], input_shape=(3, 9, 11))
    refined = model[: int(layer) + 1](x)
    assert torch.equal(refined, model[int(layer)].attention(before))
    assert not torch.allclose(refined, before)


def test_a_nested_sequential_ends_with_its_attention():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 7, 1)), nn.Flatten())
    x = torch.randn(2, 3, 4, 5)
    expected = model[0][0](x)
    insert(model, lambda _: Double(), at=["0"], input_shape=(3, 4, 5))
    assert list(dict(model[0].named_children())) == ["0", "attention"]
    assert torch.equal(model[0](x), 2 * expected)


class Walked(nn.Sequential):
    """Runs its children in a way of its own."""

    def forward(self, x):
        return sum(child(x) for child in self)


def test_a_container_with_a_way_of_its_own_is_wrapped_even_where_a_layer_inside_is_named_too():
    model = nn.Sequential(Walked(nn.Conv2d(3, 7, 1), nn.Conv2d(3, 7, 1)), nn.Flatten()).eval()
    x = torch.randn(2, 3, 4, 5)
    one, two = (conv(x) for conv in model[0])
    insert(model, lambda _: Double(), at=["0", "0.1"], input_shape=(3, 4, 5))
    torch.testing.assert_close(model[0](x), 2 * (one + 2 * two))
    assert not model[0].training
    assert [key for key in model.state_dict() if "bias" in key] == ["0.layer.0.bias", "0.layer.1.bias"]


def test_any_function_from_channels_to_a_module_will_do_and_is_called_in_the_order_of_names():
    seen = []

    def make(channels):
        seen.append(channels)
        return SE(channels, reduction=2)

    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 11, 1), nn.Conv2d(11, 2, 1))
    insert(model, make, at=["1", "0"])
    assert seen == [11, 5]
    assert isinstance(model[0].attention, SE)


def test_type_and_mode_are_the_networks():
    model = Own().double()
    model.stem.eval()
    insert(model, BAMSpec(reduction=2), at=["stem", "norm"])
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert not model.stem.attention.training
    assert model.norm.attention.training
    assert model(torch.randn(2, 3, 8, 8, dtype=torch.float64)).dtype == torch.float64


def test_running_statistics_are_untouched():
    model = Own()
    before = {name: value.clone() for name, value in model.named_buffers()}
    insert(model, BAMSpec(reduction=2), at=["norm"])
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers() if name in before)
    assert model.norm.num_batches_tracked == 0


def test_attention_of_a_hooked_layer_is_trained_and_moved_with_the_network():
    model = insert(Own(), BAMSpec(reduction=2), at=["norm"])
    assert isinstance(model.norm.attention, BAM)
    assert {"norm.attention.channel.fc0.weight", "norm.weight"} <= set(model.state_dict())
    assert next(model.to("meta").norm.attention.parameters()).is_meta


@pytest.mark.parametrize("at", ["norm", "head.0"])
def test_the_attention_that_works_is_the_one_that_is_there(at):
    """It is a child like any other: replaced, removed and put in again."""
    model = Own().eval()
    x = torch.randn(2, 3, 8, 9)
    plain = model(x)
    insert(model, lambda _: Double(), at=[at])
    layer = model.get_submodule(at)
    doubled = model(x)
    assert not torch.allclose(doubled, plain)
    layer.attention = nn.Identity()
    assert torch.equal(model(x), plain)
    layer.attention = Double()
    assert torch.equal(model(x), doubled)
    del layer.attention
    assert torch.equal(model(x), plain)
    insert(model, lambda _: Double(), at=[at])
    assert torch.equal(model(x), doubled)
    copied = deepcopy(model)
    copied.get_submodule(at).attention = nn.Identity()
    assert torch.equal(copied(x), plain)
    assert torch.equal(model(x), doubled)


def test_type_is_the_place_s():
    model = nn.Sequential(nn.Conv2d(3, 5, 3), ToDouble(), nn.Conv2d(5, 7, 3).double())
    insert(model, lambda channels: SE(channels, reduction=2), at=["0", "2"])
    assert [model[i].attention.fc1.weight.dtype for i in (0, 2)] == [torch.float32, torch.float64]
    assert model(torch.randn(2, 3, 8, 8)).dtype == torch.float64
    with pytest.raises(ConfigError, match=r"layer '1': gives torch.int64, attention needs \(N, C, H, W\)"):
        insert(nn.Sequential(nn.Conv2d(3, 5, 3), Counted()), BAMSpec(reduction=2), at=["1"])


class ToDouble(nn.Module):
    def forward(self, x):
        return x.double()


@pytest.mark.parametrize("input_shape", [(3, 64, 64), (3, 64, 96)])
def test_maps_whose_channels_come_last(input_shape):
    """torchvision's Swin gives `(N, H, W, C)`: 96 channels on maps of a quarter of the image."""
    model = swin_t().eval()
    x = torch.randn(2, *input_shape)
    seen = []

    def make(channels):
        seen.append(channels)
        return Shifted(channels)

    before = model.features[:2](x)
    insert(model, make, at=["features.1", "features.3", "features.5"], input_shape=input_shape)
    assert seen == [96, 192, 384]
    with torch.no_grad():
        assert torch.allclose(model.features[:2](x), before + torch.arange(96.0))  # along the last axis


class Shifted(nn.Module):
    """Adds its number to each channel of `(N, C, H, W)`."""

    def __init__(self, channels):
        super().__init__()
        self.shift = nn.Parameter(torch.arange(float(channels))[:, None, None])

    def forward(self, x):
        return x + self.shift


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 7, 1), Walked(nn.Conv2d(3, 7, 1))], ids=["hooked", "wrapped"])
@pytest.mark.parametrize("name", ["first", "second"])
def test_a_layer_of_two_names(layer, name):
    model = Aliased(deepcopy(layer))
    x = torch.randn(2, 3, 4, 5)
    before = model(x)
    insert(model, lambda _: Double(), at=[name], input_shape=(3, 4, 5))
    assert model.first is model.second
    assert torch.equal(model(x), 2 * before)
    with pytest.raises(ConfigError, match="layer 'first': named 2 times, as 'first', 'second'"):
        insert(Aliased(nn.Conv2d(3, 7, 1)), lambda _: Double(), at=["first", "second"], input_shape=(3, 4, 5))
