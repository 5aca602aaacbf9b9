"""From a dataset's description to its images."""

import torch

from lightning_bam.config import (
    CIFAR10,
    CIFAR100,
    SVHN,
    ClutteredDigits,
    ConfigError,
    DatasetSpec,
    Digits,
    FashionMNIST,
    ImageFolder,
    ImageNet,
    Scenes,
)
from lightning_bam.data.clutter import cluttered, plain
from lightning_bam.data.image_files import ImageFiles
from lightning_bam.data.image_folder import image_folder, imagenet
from lightning_bam.data.images import Images, in_memory
from lightning_bam.data.own import own_images
from lightning_bam.data.torchvision_sets import cifar, fashion_mnist, svhn


def load(dataset: DatasetSpec) -> Images | ImageFiles:
    """Return the images that `dataset` describes; ConfigError, which says what to put where, for missing files."""
    match dataset:
        case ClutteredDigits():
            return in_memory(*map(torch.from_numpy, cluttered(dataset)))
        case Digits():
            return in_memory(*map(torch.from_numpy, plain())).part(dataset.train)
        case CIFAR10() | CIFAR100():
            return cifar(dataset.classes).part(dataset.train)
        case FashionMNIST():
            return fashion_mnist().part(dataset.train)
        case SVHN():
            return svhn().part(dataset.train)
        case ImageFolder():
            return image_folder(dataset)
        case ImageNet():
            return imagenet(dataset)
        case Scenes():
            raise ConfigError(
                f"dataset={dataset.kind}: holds scenes with boxes, and a classifier needs labelled images"
            )
        case _:
            return own_images(dataset)
