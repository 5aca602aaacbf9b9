"""The clusters that `bam submit` and `bam status` reach; a new one is a file beside this that defines `CLUSTER`."""

import pkgutil
from importlib import import_module
from typing import Final

from studies.cluster.cluster import Cluster

_MODULES = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
CLUSTERS: Final[tuple[Cluster, ...]] = tuple(module.CLUSTER for module in _MODULES if hasattr(module, "CLUSTER"))


def submission_cluster() -> Cluster:
    """Return the first cluster whose programs this machine has; else the first of all, which says what is missing."""
    return next((cluster for cluster in CLUSTERS if not cluster.missing()), CLUSTERS[0])
