"""The authors' checkpoints (github.com/Jongchan/attention-module): their names of weights, and ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightning_bam.config import KINDS, RELEASED_BAM, AfterStages, BAMSpec, ConfigError, Recipe, Run
from lightning_bam.network import build
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.provenance import provenance
from lightning_bam.weights.state_dicts import COUNTER, differences, read_file, save_model

BACKBONES: Final = ("resnet18", "resnet34", "resnet50", "resnet101")
DATASETS: Final = ("imagenet", "cifar10", "cifar100")
PREFIX: Final = "module."
"""What `nn.DataParallel`, in which the authors train, puts before each name."""

IMAGENET_RECIPE: Final = Recipe(
    epochs=100, batch_size=256, nesterov=False, weight_decay=1e-4, milestones=(0.3, 0.6, 0.9), gamma=0.1
)
"""The authors' ImageNet script, seen: SGD 0.1, a tenth of that after every 30 epochs."""

PARTS: Final[Mapping[str, str]] = {
    "channel.fc0": "channel_att.gate_c.gate_c_fc_0",
    "channel.norm0": "channel_att.gate_c.gate_c_bn_1",
    "channel.fc_out": "channel_att.gate_c.gate_c_fc_final",
    "spatial.conv0": "spatial_att.gate_s.gate_s_conv_reduce0",
    "spatial.norm0": "spatial_att.gate_s.gate_s_bn_reduce0",
    "spatial.conv1": "spatial_att.gate_s.gate_s_conv_di_0",
    "spatial.norm1": "spatial_att.gate_s.gate_s_bn_di_0",
    "spatial.conv2": "spatial_att.gate_s.gate_s_conv_di_1",
    "spatial.norm2": "spatial_att.gate_s.gate_s_bn_di_1",
    "spatial.conv_out": "spatial_att.gate_s.gate_s_conv_final",
}
"""The layers of one module: our names and theirs."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of a checkpoint: the run it is, and what is worth saying about the file, line by line."""

    run: Run
    notes: tuple[str, ...]


def authors_name(name: str) -> str:
    """Return what the authors call the weight that our state dict calls `name` (the backbone's names are equal)."""
    found = re.fullmatch(r"layer(\d)\.attention\.(\w+\.\w+)\.(\w+)", name)
    return f"bam{found[1]}.{PARTS[found[2]]}.{found[3]}" if found else name


def released_run(backbone: str, dataset: str) -> Run:
    """Return the authors' network on a dataset: a ResNet with the stem meant for it, BAM after three stages.

    The file does not say how it was trained: on ImageNet the recipe is that of their public script (which keeps the
    best epoch), on CIFAR, for which they published none, the default one.

    Raises:
        ConfigError: a backbone or dataset that their code does not have.

    """
    if backbone not in BACKBONES or dataset not in DATASETS:
        raise ConfigError(
            f"{backbone} on {dataset}: the authors' code has {', '.join(BACKBONES)} on {', '.join(DATASETS)}"
        )
    stem = "imagenet" if dataset == "imagenet" else "small"
    return Run(
        dataset=KINDS["dataset"][dataset](),
        backbone=KINDS["backbone"][backbone](stem=stem),
        attention=RELEASED_BAM,
        recipe=IMAGENET_RECIPE if dataset == "imagenet" else Recipe(),
    )


def import_checkpoint(file: Path, output: Path, *, backbone: str = "resnet50", dataset: str = "imagenet") -> Imported:
    """Turn a checkpoint of the authors' code into a model folder.

    Every weight of the file must be one of the network's, and of its shape, and the other way round; the counters
    that batch norms of torch before 0.4.1 did not keep may be absent, all of them.

    Args:
        file: written by `torch.save`: a state dict, or a dict with one under `state_dict`; `module.` may stand
            before the names.
        output: the model folder to make.
        backbone: `resnet18`, `resnet34`, `resnet50` or `resnet101`.
        dataset: `imagenet`, `cifar10` or `cifar100`.

    Raises:
        ConfigError: weights of another network: all unknown and missing names and other shapes, one a line.
        FolderError: a file that cannot be read or wants more than weights, or an output that cannot be written.

    """
    run = released_run(backbone, dataset)
    found = read_file(file)
    state, notes = _state_of(found, file)
    network = build(run)
    names = {authors_name(name): name for name in network.state_dict()}
    wanted = {theirs: network.state_dict()[ours] for theirs, ours in names.items()}
    counters = {name for name in wanted if name.endswith(COUNTER)}
    if not any(name.endswith(COUNTER) for name in state):
        state |= {name: torch.tensor(0) for name in counters}
        notes.append(f"{len(counters)} {COUNTER} are absent, as in files of torch before 0.4.1: set to 0")
    problems = differences(wanted, state)
    if problems:
        refusal = ConfigError(
            f"{file}: not the authors' {backbone} on {dataset}: {len(problems)} "
            f"difference{'' if len(problems) == 1 else 's'}{_hint(state, run)}"
        )
        for line in problems:
            refusal.add_note(f"  {line}")
        raise refusal
    network.load_state_dict({names[theirs]: tensor for theirs, tensor in state.items()})
    origin = {"file": Path(file).name, "sha256": _sha256(file), **_facts(found)}
    imported = datetime.now(UTC).isoformat(timespec="seconds")
    save_model(output, run, network, origin=origin, notes=notes, imported=imported, **provenance())
    return Imported(run=run, notes=tuple(notes))


def _state_of(found: Any, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the state dict in what was read, without DataParallel's prefix, and what to say about the rest."""
    if not isinstance(found, Mapping):
        raise FolderError(f"{file}: holds {type(found).__name__}, not a state dict or a dict with one")
    state, notes = found, []
    if "state_dict" in found:
        state = found["state_dict"]
        if not isinstance(state, Mapping):
            raise FolderError(f"{file}: its state_dict is {type(state).__name__}, not a state dict")
        rest = sorted(str(name) for name in found if name not in ("state_dict", "arch", "epoch", "best_prec1"))
        notes += [f"not imported: {', '.join(rest)}"] if rest else []
    state = {str(name): value for name, value in state.items()}
    if state and all(name.startswith(PREFIX) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items()}
    return state, notes


def _hint(state: Mapping[str, Any], run: Run) -> str:
    """Say what the weights would be, if they are another of the authors' networks."""
    for backbone, dataset in product(BACKBONES, DATASETS):
        other = released_run(backbone, dataset)
        if other == run:
            continue
        with torch.device("meta"):
            wanted = {authors_name(name): value for name, value in build(other).state_dict().items()}
        given = {name: value for name, value in state.items() if not name.endswith(COUNTER)}
        if not differences({name: value for name, value in wanted.items() if not name.endswith(COUNTER)}, given):
            return f"; it fits --backbone {backbone} --dataset {dataset}"
    return ""


def _facts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the checkpoint says of itself."""
    facts = {}
    for name in ("arch", "epoch", "best_prec1"):
        value = found.get(name)
        value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
        if isinstance(value, str | int | float):
            facts[name] = value
    return facts


def _sha256(file: Path) -> str:
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def to_authors(run: Run, network: nn.Module) -> dict[str, Any]:
    """Return the checkpoint that the authors' code would have written of `network`: `arch`, and `state_dict`.

    Raises:
        ConfigError: a network that their code cannot build.

    """
    backbone = run.backbone
    reason = None
    if backbone.kind not in BACKBONES:
        reason = f"backbone={backbone.kind}: it has {', '.join(BACKBONES)}"
    elif backbone != KINDS["backbone"][backbone.kind](stem=getattr(backbone, "stem", "small")):
        reason = f"{backbone}: it has width=64 and stride_on=3x3"
    elif not isinstance(run.attention, BAMSpec):
        reason = f"attention={run.attention and run.attention.kind}: it has the released BAM"
    elif replace(run.attention, init=RELEASED_BAM.init) != RELEASED_BAM:
        reason = f"{run.attention}: it has {RELEASED_BAM}"
    elif run.placement not in (AfterStages(), AfterStages(stages=(1, 2, 3))):
        reason = f"{run.placement}: it has BAM after stages 1, 2 and 3"
    elif run.dataset.shape[0] != 3:
        reason = f"images of {run.dataset.shape[0]} channels: it has 3"
    if reason:
        raise ConfigError(f"the authors' code has no such network: {reason}")
    weights = {PREFIX + authors_name(name): value for name, value in network.state_dict().items()}
    return {"arch": backbone.kind, "state_dict": weights}
