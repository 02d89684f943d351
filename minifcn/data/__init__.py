"""Data sets, pictures, label maps, augmentation and the loader."""

from minifcn.data.dataset import Dataset, Sample, class_shares
from minifcn.data.loader import Batch, Loader
from minifcn.data.pictures import IGNORE, VOC_PALETTE, read_image, read_label, write_label
from minifcn.data.preprocess import MEAN_BGR, from_blob, to_blob
from minifcn.data.spec import open_dataset

__all__ = [
    "IGNORE",
    "MEAN_BGR",
    "VOC_PALETTE",
    "Batch",
    "Dataset",
    "Loader",
    "Sample",
    "class_shares",
    "from_blob",
    "open_dataset",
    "read_image",
    "read_label",
    "to_blob",
    "write_label",
]
