"""What a training step costs on a GPU, what an ablation on CIFAR-100 so costs, and what sharing the GPU gains.

    python -m tests.benchmarks.gpu [--steps 20] [--runs 16] [--share 1 2 4 8]

*Step*: forward, loss, backward and SGD of ResNet50 on a batch of random images that lies on the GPU, as a run trains
it: deterministic algorithms, no TF32, the memory format of `lightning_bam.training.classifier`. Median over `--steps`
steps by CUDA's events, after five that are not counted; peak memory is what torch allocated at most. *Hours*: 200
epochs of 50,000 images in batches of 128 at that step, without scoring.

*Sharing*: the wall time of one `bam run` of `--runs` short runs of a small network at each `--runs-per-device`, the
start of the server included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F

from lightning_bam.config import BAMSpec, CBAMSpec, EveryBlock, Run, SESpec
from lightning_bam.training.classifier import Classifier
from studies.definition.presets import PAPER

BAM = (sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())")
HOME = Path(__file__).parent.parent.parent
STEPS_AN_EPOCH = 391
SLOTS: dict[str, Run] = {
    "none": PAPER,
    "BAM (norm ends)": replace(PAPER, attention=BAMSpec()),
    "BAM (norm maps)": replace(PAPER, attention=BAMSpec(norm="maps")),
    "SE": replace(PAPER, attention=SESpec(), placement=EveryBlock()),
    "CBAM": replace(PAPER, attention=CBAMSpec(), placement=EveryBlock()),
}


@dataclass(frozen=True)
class Step:
    """Milliseconds a step, and peak memory in GiB."""

    milliseconds: float
    memory: float


def measure(run: Run, precision: str, steps: int, side: int, batch: int) -> Step:
    """Train on one batch of random images `(batch, 3, side, side)`."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    task = Classifier(run).cuda().train()
    optimizer = torch.optim.SGD(task.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    images = torch.randn(batch, 3, side, side, device="cuda")
    labels = torch.randint(0, run.dataset.classes, (batch,), device="cuda")
    times = []
    for number in range(steps + 5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(task(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        end.record()
        torch.cuda.synchronize()
        if number >= 5:
            times.append(begin.elapsed_time(end))
    assert torch.isfinite(loss)
    return Step(median(times), torch.cuda.max_memory_allocated() / 2**30)


def shared(runs: int, share: int) -> float:
    """Return the seconds that `bam run` takes with `share` runs at a time on GPU 0."""
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "sharing.py"
        file.write_text(f"from tests.benchmarks.overhead import short_study\nSTUDY = short_study({runs}, 8)\n")
        words = ["run", str(file), "--root", root, "--devices", "0", "--runs-per-device", str(share), "--wandb", "off"]
        environment = {**os.environ, "PYTHONPATH": f"{HOME}:{os.environ.get('PYTHONPATH', '')}"}
        started = time.monotonic()
        subprocess.run([*BAM, *words], check=True, stdout=subprocess.DEVNULL, env=environment)
        return time.monotonic() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--share", type=int, nargs="*", default=[1, 2, 4, 8])
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(2, "tests.benchmarks.gpu: torch sees no GPU here\n")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, median of {given.steps} steps")
    for title, side, batch in (("CIFAR-100, 128 images of 32x32", 32, 128), ("128 images of 224x224", 224, 128)):
        print(f"ResNet50, {title}")
        for precision in ("32", "bf16"):
            plain = None
            for name, run in SLOTS.items():
                backbone = run.backbone if side == 32 else replace(run.backbone, stem="imagenet")
                step = measure(replace(run, backbone=backbone), precision, given.steps, side, batch)
                plain = plain or step
                words = f"  {precision:4} {name:16} {step.milliseconds:7.1f} ms a step"
                words += f" ({step.milliseconds / plain.milliseconds:.2f} x), {step.memory:5.1f} GiB"
                if side == 32:
                    words += f", {step.milliseconds * STEPS_AN_EPOCH * 200 / 3.6e6:4.1f} h a run of 200 epochs"
                print(words, flush=True)
    for share in given.share:
        seconds = shared(given.runs, share)
        print(f"{given.runs} short runs, {share} at a time: {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
