"""The CT that a task is given: what is odd about it is said, what is no CT is refused."""

from __future__ import annotations

import os

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks.ct_source import load_ct

GRID = Grid.axial((3, 4, 5), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def warnings_of(path):
    progress = Progress()
    load_ct(path, None, False, progress)
    return progress.warnings


def test_values_out_of_range_in_an_image_file_are_said(tmp_path):
    array = np.full(GRID.shape, -1000.0, np.float32)
    write_volume(Volume(array, GRID), tmp_path / "good.nrrd")
    assert list(warnings_of(tmp_path / "good.nrrd")) == []
    array[1, 1, 1] = 1e30
    write_volume(Volume(array, GRID), tmp_path / "odd.nrrd")
    assert "values reach 1e+30" in "".join(warnings_of(tmp_path / "odd.nrrd"))


def test_a_nifti_that_does_not_say_how_it_lies(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.full((5, 4, 3), -1000, np.int16), None), tmp_path / "a.nii")
    assert "left and right may be swapped" in "".join(warnings_of(tmp_path / "a.nii"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        load_ct(tmp_path / "pipe.dcm", None, False, Progress())
