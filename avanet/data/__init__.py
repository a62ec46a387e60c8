"""Data in: folders of images, MNIST's idx files, npz files, and the sets that avanet draws itself.

`load_dataset` gives a `Dataset`, splits with labels, for whatever learns from them; `load` the
pictures of a folder as one RGB array, as the AVA paper's experiments take them.
"""

from avanet.data.batches import Batch, Batches
from avanet.data.dataset import Dataset, Split
from avanet.data.images import FolderImages, ImageSet, load, read_folder
from avanet.data.named import NAMES, data_root, download, load_dataset

__all__ = [
    "NAMES", "Batch", "Batches", "Dataset", "FolderImages", "ImageSet", "Split", "data_root",
    "download", "load", "load_dataset", "read_folder",
]
