"""The clusters that `bam submit` and `bam status` reach; a new one is a file beside this and an entry of `CLUSTERS`."""

from typing import Final

from studies.cluster.cluster import Cluster
from studies.cluster.slurm import SlurmCluster

CLUSTERS: Final[tuple[Cluster, ...]] = (SlurmCluster(),)


def submission_cluster() -> Cluster:
    """Return the first cluster whose programs this machine has; else the first of all, which says what is missing."""
    return next((cluster for cluster in CLUSTERS if not cluster.missing()), CLUSTERS[0])
