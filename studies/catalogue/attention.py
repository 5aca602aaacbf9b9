"""Question: which attention module helps where BAM stands, and does any help more than another block there?

scientific  attention (none, a block of the network's own kind, or one of nine modules with its paper's structure)
nuisance    seed (initial weights and order of the data)
fixed       CIFAR-100, ResNet50 with the stride on the first 1x1, public recipe (BAM's paper leaves its own open); each
            module after stages 1 to 3, BAM's places, though most papers put theirs in each block; reduction 16 in all
            that have one (coordinate attention: 16 instead of 32, and at least 8 hidden channels); gather-excite is
            the one without parameters
command     bam run attention && bam table attention; both take --preset small
cost        55 runs of 200 epochs; not measured yet
n           5 seeds a row
result      not run yet; at --preset small reduction 16 leaves 2 and 4 hidden channels
"""

from dataclasses import replace

from lightning_bam.config import (
    BAMSpec,
    CBAMSpec,
    CoordinateAttentionSpec,
    ECASpec,
    ExtraBlockSpec,
    GatherExciteSpec,
    GlobalContextSpec,
    SESpec,
    SimAMSpec,
    TripletAttentionSpec,
)
from studies.definition.presets import PAPER, PRESETS
from studies.definition.study import Study

STUDY = Study(
    name="attention",
    question="Which attention module helps where BAM stands, and does any help more than another block there?",
    rows={
        "none": PAPER,
        "extra block": replace(PAPER, attention=ExtraBlockSpec()),
        "SE": replace(PAPER, attention=SESpec()),
        "GE": replace(PAPER, attention=GatherExciteSpec()),
        "BAM": replace(PAPER, attention=BAMSpec()),
        "CBAM": replace(PAPER, attention=CBAMSpec()),
        "GC": replace(PAPER, attention=GlobalContextSpec()),
        "ECA": replace(PAPER, attention=ECASpec()),
        "SimAM": replace(PAPER, attention=SimAMSpec()),
        "triplet": replace(PAPER, attention=TripletAttentionSpec()),
        "coordinate": replace(PAPER, attention=CoordinateAttentionSpec(reduction=16)),
    },
    baseline="none",
    scientific=("attention",),
    presets=PRESETS,
)
