"""The estimate: cheap, without torch, and larger where there is more to do. A run judges it in Testing/endtoend."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Dose3DLib.bundles.bundle import find_bundle
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.segmentation.estimate import estimate

HEAD = Grid.axial((133, 256, 256), (2.5, 2.0, 2.0), (-254, -258, -253))


@pytest.fixture(scope="module")
def bundle():
    return find_bundle("head_neck_ct")


def test_no_torch_is_loaded():
    code = (
        "import sys\n"
        "from Dose3DLib.bundles.bundle import find_bundle\n"
        "from Dose3DLib.geometry.grid import Grid\n"
        "from Dose3DLib.segmentation.estimate import estimate\n"
        "estimate(Grid.axial((90, 512, 512), (3, 1, 1), (0, 0, 0)), find_bundle('head_neck_ct'))\n"
        "heavy = {'torch', 'monai', 'scipy', 'vtk'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    library = Path(__file__).resolve().parents[3] / "Dose3D"
    done = subprocess.run([sys.executable, "-c", code], cwd=library, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_costs_nothing(bundle, crowd):
    started = time.perf_counter()
    estimate(HEAD, bundle, roi=(30, 85, -60, 10, -90, -45))
    assert time.perf_counter() - started < 0.02 * crowd


def test_more_to_do_takes_longer(bundle):
    part = estimate(HEAD, bundle, roi=(30, 85, -60, 10, -90, -45))
    head = estimate(HEAD, bundle)
    fine = estimate(Grid.axial((266, 512, 512), (1.25, 1.0, 1.0), (-254, -258, -253)), bundle)
    body = estimate(Grid.axial((700, 512, 512), (2.5, 1.0, 1.0), (-254, -258, -253)), bundle)
    assert part.seconds < head.seconds < fine.seconds < body.seconds
    assert part.memory_bytes < head.memory_bytes < fine.memory_bytes < body.memory_bytes


def test_windows_are_named(bundle, monkeypatch):
    monkeypatch.setattr("Dose3DLib.segmentation.estimate._cores", lambda: 2)
    assert estimate(HEAD, bundle, "cpu").reason == "32 windows of the network on 2 processor cores"
    assert estimate(HEAD, bundle, "auto").reason.endswith("; faster with a graphics card")
    assert estimate(HEAD, bundle, "cuda").reason.endswith("; faster on cuda")


def test_more_cores_help_up_to_eight(bundle, monkeypatch):
    seconds = []
    for cores in (1, 2, 8, 64):
        monkeypatch.setattr("Dose3DLib.segmentation.estimate._cores", lambda cores=cores: cores)
        seconds.append(estimate(HEAD, bundle).seconds)
    assert seconds[0] > seconds[1] > seconds[2] == seconds[3]


@pytest.mark.parametrize("roi", [(1, 2), (9, -9, 0, 1, 0, 1), (5000, 5001, 0, 1, 0, 1)])
def test_a_region_that_cannot_be_used_is_no_error_here(bundle, roi):
    assert estimate(HEAD, bundle, roi=roi) == estimate(HEAD, bundle)


def test_oblique_ct(bundle):
    affine = np.array(HEAD.affine)
    c, s = np.cos(0.3), np.sin(0.3)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ affine[:3, :3]
    turned = estimate(Grid(HEAD.shape, affine), bundle)
    assert estimate(HEAD, bundle).seconds == pytest.approx(turned.seconds, rel=0.5)


def test_the_longer_the_network_works_the_more_of_the_bar_it_has(bundle):
    head = estimate(HEAD, bundle)
    body = estimate(Grid.axial((700, 512, 512), (2.5, 1.0, 1.0), (-254, -258, -253)), bundle)
    shares = []
    for expected in (head, body):
        loaded, found = expected.milestones
        assert 0 < loaded < found < 1
        shares.append(found - loaded)
    assert shares[1] > shares[0]
