"""Images and structures as files; one place to import them from."""

from .label_names import Label, read_names
from .mask_files import (
    named_structure,
    overlapping_pairs,
    read_label_map,
    read_masks,
    refuse_overlaps,
    safe_file_names,
    write_label_map,
    write_mask,
    write_masks,
)
from .segnrrd import read_seg_nrrd, write_seg_nrrd
from .surface_files import has_surfaces, is_surface_file, read_surfaces
from .volume_files import IMAGE_SUFFIXES, image_suffix, read_volume, write_volume

__all__ = [
    "IMAGE_SUFFIXES",
    "Label",
    "has_surfaces",
    "image_suffix",
    "is_surface_file",
    "named_structure",
    "overlapping_pairs",
    "read_label_map",
    "read_masks",
    "read_names",
    "read_seg_nrrd",
    "read_surfaces",
    "read_volume",
    "refuse_overlaps",
    "safe_file_names",
    "write_label_map",
    "write_mask",
    "write_masks",
    "write_seg_nrrd",
    "write_volume",
]
