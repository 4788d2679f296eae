"""The patient that comes with Dose3D, nobody's anatomy, in Slicer's Sample Data: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import slicer

__all__ = ["addPhantom", "registerSampleData"]

SAMPLE = "Dose3DHeadNeckPhantom"


def registerSampleData() -> None:
    """Offer the phantom in the module Sample Data; a Slicer without that module goes without."""
    try:
        import SampleData
    except ImportError:
        return
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Dose3D",
        sampleName=SAMPLE,
        thumbnailFileName=str(Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "Dose3D.svg"),
        customDownloader=addPhantom,
    )


def addPhantom(source=None) -> list:
    """Add the CT of the population phantom (a mean of registered patients) to the scene and show it."""
    from Dose3DLib.geometry.phantom import population_phantom
    from Dose3DLib.scene.nodes import add_volume

    volume = add_volume(slicer.mrmlScene, population_phantom()[0], "Head and neck phantom")
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return [volume]
