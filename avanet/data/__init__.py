"""Pictures in: folders of images, and the sets that avanet draws itself."""

from avanet.data.images import ImageSet, load, read_folder

__all__ = ["ImageSet", "load", "read_folder"]
