"""Images in memory or in files, and the order they are trained in.

The order is a pure function of (seed, epoch): the same for every variant, number of ranks and resumed run.
"""

from lightning_bam.data.augment import augment, normalise
from lightning_bam.data.datamodule import ImageData
from lightning_bam.data.image_files import ImageFiles
from lightning_bam.data.images import Images
from lightning_bam.data.load import load
from lightning_bam.data.order import Batch, Batches, epoch_order
