"""What a network's gates do after an epoch, seen while it is scored: their mean, and how much of them stands still."""

import copy
from collections.abc import Callable
from typing import Any, Final, get_args

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_bam.attention.gate import HIGH, LOW, Attention, gated_modules
from lightning_bam.random_streams import seeded
from lightning_bam.run_folder.manifest import PLACE, PLACES
from lightning_bam.user_code.build import told

IMAGES: Final = 64
"""Images on which a gate is seen, at most."""


class GateWatch:
    """Sees the gates of a network on the first of the images that pass through it, in its own mode and precision.

    A gate is computed beside the pass, one of the user's own by a copy of its module, from a copy of what reaches it:
    whatever it does, the pass goes on as without it. One that raises, or has a value that is no number from 0 to 1, is
    left out from then on, as a line on stdout says.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Tensor] = {}
        self._hooks: list[RemovableHandle] = []
        self._faults: dict[str, str] = {}
        self._left_out: set[str] = set()

    def begin(self, network: nn.Module) -> None:
        """Look at the next pass through `network`."""
        self.end()
        for name, module in gated_modules(network).items():
            if name not in self._left_out:
                self._hooks.append(module.register_forward_pre_hook(self._look(name)))

    def end(self) -> dict[str, dict[str, float]]:
        """Look no more, and return `mean` and `saturated` of each gate that was seen, by its place."""
        for hook in self._hooks:
            hook.remove()
        gates: dict[str, dict[str, float]] = {}
        for name, figures in self._seen.items():
            mean, saturated, low, high = figures.tolist()
            if not (low >= 0 and high <= 1):
                self._faults[name] = f"its values are from {low:g} to {high:g}, not from 0 to 1"
            elif len(gates) == PLACES or not PLACE.fullmatch(name):
                self._faults[name] = f"an epoch's line takes {PLACES} names, of 1 to 100 of {PLACE.pattern}"
            else:
                gates[name] = {"mean": round(mean, 6), "saturated": round(saturated, 6)}
        if self._faults:
            reason = next(iter(self._faults.values()))
            print(f"no figures of the gate at {', '.join(map(repr, self._faults))}: {reason}", flush=True)
        self._left_out.update(self._faults)
        self._hooks, self._seen, self._faults = [], {}, {}
        return gates

    def _look(self, name: str) -> Callable[[Any, tuple[Any, ...]], None]:
        """Return a hook that sees the gate at `name` once."""

        def look(module: Any, inputs: tuple[Any, ...]) -> None:
            if name in self._seen or name in self._faults:
                return
            self._seen[name] = torch.empty(0)  # a gate may call its module
            try:
                x: Tensor = inputs[0][:IMAGES].clone()
                with seeded(0, x.device):
                    self._seen[name] = _figures(_apart(module).gate(x))
            except Exception as error:  # whatever a person's gate does, it ends no run
                del self._seen[name]
                self._faults[name] = told(error)

        return look


def _apart(module: Any) -> Any:
    """Return a module of the user's own as a copy, which its gate may change; ours change nothing in eval mode."""
    if type(module) in get_args(Attention):
        return module
    kept = (value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor))
    return copy.deepcopy(module, {id(value): value.detach() for value in kept})  # with its graph it has no copy


def _figures(gate: Tensor) -> Tensor:
    """Return mean, saturated share, least and greatest value of a gate, where it lies: a GPU need not be waited for."""
    values = gate.double()
    saturated = torch.count_nonzero((values < LOW) | (values > HIGH)).double() / values.numel()
    return torch.stack([values.mean(), saturated, *values.aminmax()])
