"""What every attention module promises; each module's own test class inherits it."""

import inspect
import pickle
from copy import deepcopy
from dataclasses import fields
from typing import Any, ClassVar

import pytest
import torch
import torch.fx

from lightning_bam import ConfigError
from lightning_bam.attention import build_attention
from lightning_bam.config.spec import idle

C = 13  # prime, so that no reduction but itself divides it


def randomise(module, seed=0):
    """Give every parameter and buffer a value that no initialisation would give, in float64."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            drawn = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(drawn + 0.5 if name.endswith("running_var") else 2 * drawn - 1)
    return module


def image(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


class AttentionContract:
    module: ClassVar[Any]
    spec: ClassVar[Any]
    others: ClassVar[dict[str, Any]]  # for each knob, values other than its default
    narrow: ClassVar[dict[str, Any]] = {}  # knobs with which the module takes C channels
    outside: ClassVar[tuple[str, int]]  # a knob and a value below its range
    limit: ClassVar[str] = "greater than or equal to 1"

    def small(self, **knobs):
        return randomise(self.module(C, **(self.narrow | knobs)))

    def test_knobs_are_the_specs_fields(self):
        knobs = list(inspect.signature(self.module).parameters.values())[1:]
        assert {k.name: k.default for k in knobs} == {f.name: f.default for f in fields(self.spec)}
        assert {k.kind for k in knobs} == {inspect.Parameter.KEYWORD_ONLY}

    def test_spec_builds_the_module_with_its_knobs(self):
        for name, value in [*self.narrow.items(), *((n, v) for n, (v, *_) in self.others.items())]:
            knobs = self.narrow | {name: value}
            made = build_attention(self.spec(**knobs), C)
            assert type(made) is self.module
            assert [p.shape for p in made.parameters()] == [p.shape for p in self.module(C, **knobs).parameters()]

    @pytest.mark.parametrize("shape", [(2, C, 7, 7), (3, C, 5, 11), (2, C, 1, 1), (2, C, 2, 1)], ids=str)
    @pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
    def test_shape_type_and_input_are_kept(self, shape, training):
        x = image(*shape)
        kept = x.clone()
        y = self.small().train(training)(x)
        assert y.shape == shape
        assert y.dtype == torch.float64
        assert torch.equal(x, kept)
        assert not torch.allclose(y, x)

    def test_gradient_reaches_the_input_and_every_parameter(self):
        # in eval mode: in train mode a bias before a batch norm has none, as it should
        module, x = self.small().eval(), image(3, C, 5, 11).requires_grad_()
        module(x).square().sum().backward()
        assert x.grad is not None
        assert (x.grad != 0).all()
        dead = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
        assert dead == []

    def test_one_image_in_eval_is_its_slice_of_a_batch(self):
        module, x = self.small().eval(), image(3, C, 5, 11)
        for i in range(3):
            torch.testing.assert_close(module(x[i : i + 1]), module(x)[i : i + 1], rtol=1e-12, atol=1e-12)

    def test_the_gate_is_not_one_number(self):
        module, x = self.small().eval(), image(1, C, 5, 11)
        ratio = module(x) / x
        assert ratio.std(dim=1).max() > 1e-3

    def test_channels_last_is_the_same(self):
        module, x = self.small().eval(), image(2, C, 5, 11)
        y = module(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(y, module(x), rtol=1e-12, atol=1e-12)
        assert y.is_contiguous(memory_format=torch.channels_last)

    def test_a_knob_outside_its_range_names_module_and_value(self):
        with pytest.raises(ConfigError) as caught:
            self.module(C, **dict([self.outside]))
        name = "{}={}".format(*self.outside)
        assert str(caught.value) == f"{self.module.__name__}.{name}: input should be {self.limit}"

    def test_no_knob_is_dead(self):
        assert set(self.others) == {f.name for f in fields(self.spec)} - idle(self.spec(**self.narrow))
        x = image(3, C, 19, 23).float()

        def trace(knobs):
            torch.manual_seed(5)
            module = self.module(C, **(self.narrow | knobs))
            return sum(p.numel() for p in module.parameters()), module(x)

        count, y = trace({})
        for name, values in self.others.items():
            for value in values:
                other_count, other_y = trace({name: value})
                assert other_count != count or not torch.allclose(other_y, y, atol=1e-4), f"{name}={value}"

    def test_copies_are_equal_and_independent(self):
        module, x = self.small().eval(), image(2, C, 5, 7)
        y = module(x)
        fresh = self.module(C, **self.narrow).double().eval()
        fresh.load_state_dict(module.state_dict())
        for copy in (deepcopy(module), pickle.loads(pickle.dumps(module)), fresh):
            assert torch.equal(copy(x), y)
            with torch.no_grad():
                for p in copy.parameters():
                    p.zero_()
            assert torch.equal(copy(x), y) == (not list(copy.parameters()))
            assert torch.equal(module(x), y)

    @pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
    @pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
    @pytest.mark.parametrize("tool", [torch.jit.script, torch.fx.symbolic_trace])
    def test_torch_s_compilers_take_it_with_every_knob(self, tool, training):
        x = image(3, C, 5, 7)
        for name, values in self.others.items():
            for value in values:
                module = randomise(self.module(C, **(self.narrow | {name: value}))).train(training)
                torch.testing.assert_close(tool(deepcopy(module))(x), module(x), rtol=1e-12, atol=1e-12)


class ReductionContract(AttentionContract):
    """Of a module with C // r hidden channels."""

    narrow: ClassVar[dict[str, Any]] = {"reduction": 4}
    outside: ClassVar[tuple[str, int]] = ("reduction", 0)

    def hidden(self, module):
        """The number of hidden channels of `module`."""
        raise NotImplementedError

    def test_spec_s_reduction_is_the_module_s(self):
        assert self.hidden(build_attention(self.spec(reduction=4), C)) == 3

    def test_fewer_channels_than_the_reduction_is_one_clear_error(self):
        with pytest.raises(ConfigError) as caught:
            self.module(7, reduction=11)
        assert str(caught.value) == (
            "reduction=11: 7 channels are fewer than that and leave no hidden channel; use a reduction of at most 7"
        )

    def test_as_many_channels_as_the_reduction_is_one_hidden_channel(self):
        assert self.hidden(self.module(7, reduction=7)) == 1

    @pytest.mark.parametrize(
        ("channels", "reduction", "hidden"), [(13, 4, 3), (216, 16, 13), (300, 16, 18), (31, 2, 15)]
    )
    def test_hidden_channels_are_rounded_down(self, channels, reduction, hidden):
        assert self.hidden(self.module(channels, reduction=reduction)) == hidden
