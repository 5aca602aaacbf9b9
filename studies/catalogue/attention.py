"""Question: which attention module helps where BAM stands, and does any help more than another block there?

scientific  attention (none, a block of the network's own kind, or one of nine modules with its paper's structure)
nuisance    seed (initial weights and order of the data)
fixed       quickstart's data, network and recipe; each module after stages 1 and 2, BAM's places, though most papers
            put theirs in each block; reduction 4 in all that have one (coordinate attention keeps at least 8 hidden
            channels); gather-excite is the one without parameters
command     bam run attention && bam table attention; both take --preset findings
cost        55 runs of 4 epochs; not measured yet
n           5 seeds a row
result      not run yet
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
