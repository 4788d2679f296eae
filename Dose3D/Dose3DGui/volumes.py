"""What a volume node is good for."""

from __future__ import annotations

__all__ = ["hasImage"]


def hasImage(node) -> bool:
    """Whether a volume has voxels with values; an image may also be there and be empty."""
    image = node.GetImageData()
    return image is not None and image.GetPointData().GetScalars() is not None and min(image.GetDimensions()) > 0
