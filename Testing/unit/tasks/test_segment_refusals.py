"""What `segment run` refuses before the network has run for minutes."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import segment_run

GRID = Grid.axial((1, 4, 5), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_one_slice_cannot_become_a_series(tmp_path):
    write_volume(Volume(np.linspace(-1000, 100, 20).reshape(GRID.shape), GRID), tmp_path / "one.nrrd")
    settings = segment_run.Settings(ct=tmp_path / "one.nrrd", output=tmp_path / "OUT", dicom=True)
    with pytest.raises(InputError, match=r"one\.nrrd: has one slice.*leave out --dicom"):
        segment_run._read(settings, Progress())
