"""Question: which attention module helps where BAM stands, and does any help more than another block there?

scientific  attention (none, a block of the network's own kind, or one of nine modules with its paper's structure)
nuisance    seed (initial weights and order of the data)
fixed       quickstart's data, network and recipe; each module after stages 1 and 2, BAM's places, though most papers
            put theirs in each block; reduction 4 in all that have one (coordinate attention keeps at least 8 hidden
            channels); gather-excite is the one without parameters
command     bam run attention && bam table attention; both take --preset findings
cost        55 runs of 4 epochs; not measured yet
n           5 seeds a row
result      at --preset findings, Δ in points: none 5.36 ± 0.26 % (n = 8 to 12); better: extra block −1.34 [−1.99,
            −0.70], SimAM −0.42 [−0.79, −0.05]; equivalent within ±0.5: SE −0.08 [−0.42, +0.26], GE −0.08 [−0.56,
            +0.41], BAM −0.19 [−0.51, +0.13], ECA −0.20 [−0.45, +0.05], triplet −0.23 [−0.52, +0.06]; worse: CBAM +1.12
            [+0.32, +1.93]; no clear difference: GC +0.23 [−0.13, +0.60], coordinate −0.20 [−0.59, +0.19]; not run yet
            at the paper's scale
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
from studies.catalogue.quickstart import BASE
from studies.definition.presets import FINDINGS
from studies.definition.study import Study

MODULES = {
    "extra block": ExtraBlockSpec(),
    "SE": SESpec(reduction=4),
    "GE": GatherExciteSpec(),
    "BAM": BAMSpec(reduction=4),
    "CBAM": CBAMSpec(reduction=4),
    "GC": GlobalContextSpec(reduction=4),
    "ECA": ECASpec(),
    "SimAM": SimAMSpec(),
    "triplet": TripletAttentionSpec(),
    "coordinate": CoordinateAttentionSpec(reduction=4),
}

STUDY = Study(
    name="attention",
    question="Which attention module helps where BAM stands, and does any help more than another block there?",
    rows={"none": BASE} | {name: replace(BASE, attention=spec) for name, spec in MODULES.items()},
    baseline="none",
    scientific=("attention",),
    presets={"findings": FINDINGS},
)
