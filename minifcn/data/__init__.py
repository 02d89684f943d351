"""Data sets, pictures, label maps, augmentation and the loader."""

from minifcn.data.dataset import Dataset, Sample, Task, class_shares, mean_of, num_classes_of, tasks_of
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
    "Task",
    "class_shares",
    "from_blob",
    "mean_of",
    "num_classes_of",
    "open_dataset",
    "read_image",
    "read_label",
    "tasks_of",
    "to_blob",
    "write_label",
]
