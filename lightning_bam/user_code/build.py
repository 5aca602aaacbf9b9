"""What a spec of the user's own builds, and the line that says what is wrong with it."""

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from lightning_bam.config import ConfigError
from lightning_bam.config.spec import Part


def named(spec: Part) -> str:
    """Name a spec of the user's own by its kind, its class and its file."""
    return f"{spec.slot}={spec.kind} ({type(spec).__name__} in {spec.file})"


def built(spec: Any, *arguments: int) -> nn.Module:
    """Return the module that a spec of the user's own builds; ConfigError, in a line, where it builds none."""
    call = f"build({', '.join(map(str, arguments))})"
    try:
        module = spec.build(*arguments)
    except ConfigError:
        raise
    except Exception as error:  # any mistake in a person's code is theirs to read, in one line
        raise ConfigError(f"{named(spec)}: {call} failed: {told(error)}") from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{named(spec)}: {call} gave {type(module).__name__}, must be a torch.nn.Module")
    if lazy := next((name for name, weight in module.named_parameters() if is_lazy(weight)), None):
        raise ConfigError(
            f"{named(spec)}: its parameter {lazy!r} has no shape before the first forward; give its layer, as "
            "LazyConv2d, all its sizes"
        )
    return module


def told(error: BaseException) -> str:
    """Return an exception in one line."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
