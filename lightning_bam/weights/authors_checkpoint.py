"""The authors' checkpoints (github.com/Jongchan/attention-module): their names of weights, and ours."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
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
from lightning_bam.tensor_files import COUNTER, differences, read_file
from lightning_bam.weights.state_dicts import save_model

BACKBONES: Final = ("resnet18", "resnet34", "resnet50", "resnet101")
DATASETS: Final = ("imagenet", "cifar10", "cifar100")
FACTS: Final = ("arch", "epoch", "best_prec1")
"""What the authors' script writes beside the state dict, and we keep."""
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


def authors_name(name: str) -> str:
    """Return what the authors call the weight that our state dict calls `name` (the backbone's names are equal)."""
    part = re.fullmatch(r"layer(\d)\.attention\.(\w+\.\w+)\.(\w+)", name)
    return f"bam{part[1]}.{PARTS[part[2]]}.{part[3]}" if part else name


def released_run(backbone: str, dataset: str) -> Run:
    """Return the authors' network on a dataset: a ResNet with the stem meant for it, BAM after three stages.

    The file does not say how it was trained: on ImageNet the recipe is that of their public script (which keeps the
    best epoch), on CIFAR, for which they published none, the default one.
    """
    stem = "imagenet" if dataset == "imagenet" else "small"
    return Run(
        dataset=KINDS["dataset"][dataset](),
        backbone=KINDS["backbone"][backbone](stem=stem),
        attention=RELEASED_BAM,
        recipe=IMAGENET_RECIPE if dataset == "imagenet" else Recipe(),
    )


def import_checkpoint(
    file: Path, output: Path, *, backbone: str = "resnet50", dataset: str = "imagenet"
) -> tuple[Run, list[str]]:
    """Turn a checkpoint of the authors' code into the model folder `output`; return its run, and notes on the file.

    The file holds a state dict, or a dict with one under `state_dict`; `module.` may stand before the names. Every
    weight must be one of the network's, and of its shape, and the other way round; the counters that batch norms of
    torch before 0.4.1 did not keep may be absent, all of them. ConfigError for weights of another network, with all
    unknown and missing names and other shapes, one a line; FolderError for a file that cannot be read or wants more,
    and for an output that cannot be written.
    """
    run = released_run(backbone, dataset)
    content = read_file(file)
    state, notes = _state_of(content, file)
    network = build(run)
    expected = {authors_name(name): value for name, value in network.state_dict().items()}
    counters = [name for name in expected if name.endswith(COUNTER)]
    if not any(name.endswith(COUNTER) for name in state):
        state |= {name: torch.tensor(0) for name in counters}
        notes.append(f"{len(counters)} {COUNTER} are absent, as in files of torch before 0.4.1: set to 0")
    problems = differences(expected, state)
    if problems:
        count = f"{len(problems)} difference{'' if len(problems) == 1 else 's'}"
        refusal = ConfigError(f"{file}: not the authors' {backbone} on {dataset}: {count}{_hint(state)}")
        for line in problems:
            refusal.add_note(f"  {line}")
        raise refusal
    network.load_state_dict({name: state[authors_name(name)] for name in network.state_dict()})
    origin = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), **_facts(content)}
    imported = datetime.now(UTC).isoformat(timespec="seconds")
    save_model(output, run, network, origin=origin, notes=notes, imported=imported, **provenance())
    return run, notes


def _state_of(content: Any, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the state dict in what was read, without DataParallel's prefix, and what to say about the rest."""
    if not isinstance(content, Mapping):
        raise FolderError(f"{file}: holds {type(content).__name__}, not a state dict or a dict with one")
    weights, notes = content.get("state_dict", content), []
    if not isinstance(weights, Mapping):
        raise FolderError(f"{file}: its state_dict is {type(weights).__name__}, not a state dict")
    if weights is not content and (rest := sorted(map(str, set(content) - {"state_dict", *FACTS}))):
        notes.append(f"not imported: {', '.join(rest)}")
    state = {str(name): value for name, value in weights.items()}
    if state and all(name.startswith(PREFIX) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items()}
    return state, notes


def _hint(state: Mapping[str, Any]) -> str:
    """Say what the weights would be, if they are another of the authors' networks."""
    weights = {name: value for name, value in state.items() if not name.endswith(COUNTER)}
    for backbone, dataset in product(BACKBONES, DATASETS):
        with torch.device("meta"):
            other = build(released_run(backbone, dataset)).state_dict()
        if not differences({authors_name(n): v for n, v in other.items() if not n.endswith(COUNTER)}, weights):
            return f"; it fits --backbone {backbone} --dataset {dataset}"
    return ""


def _facts(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the checkpoint says of itself."""
    values = {name: content[name] for name in FACTS if name in content}
    values = {n: v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for n, v in values.items()}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}


def to_authors(run: Run, network: nn.Module) -> dict[str, Any]:
    """Return the authors' checkpoint of `network`, `arch` and `state_dict`; ConfigError if they have none such."""
    backbone, attention, placement, channels = run.backbone, run.attention, run.placement, run.dataset.shape[0]
    stem = getattr(backbone, "stem", "small")
    if not (
        backbone.kind in BACKBONES
        and backbone == KINDS["backbone"][backbone.kind](stem=stem)
        and isinstance(attention, BAMSpec)
        and replace(attention, init=RELEASED_BAM.init) == RELEASED_BAM
        and placement in (AfterStages(), AfterStages(stages=(1, 2, 3)))
        and channels == 3
    ):
        raise ConfigError(
            f"the authors' code has no such network: {backbone}, attention={attention}, {placement}, for {channels} "
            f"channels; it has {', '.join(BACKBONES)} with width=64 and stride_on=3x3, {RELEASED_BAM} after stages 1, "
            "2 and 3, for 3 channels"
        )
    weights = {PREFIX + authors_name(name): value for name, value in network.state_dict().items()}
    return {"arch": backbone.kind, "state_dict": weights}
