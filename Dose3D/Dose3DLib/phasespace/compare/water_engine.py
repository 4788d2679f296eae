"""pyRadMC's transport of photons in a box of water: its tables, made once, and one batch after the other.

pyRadMC (Apache-2.0, https://pypi.org/project/pyRadMC, version 0.2) runs on Warp, on the CPU or an NVIDIA GPU. At the
first run it compiles its kernels and computes tables of multiple scattering, which takes minutes; both stay in the
user's cache folder (`.cache/warp`, `.cache/pyradmc`). They are made in a process of their own, so that a cancel is
heard meanwhile.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ResourceError
from ...core.interpreter import library_path, python_executable
from ...core.progress import Progress
from ...core.warp_start import start_warp

if TYPE_CHECKING:
    from .sides import Side

__all__ = ["Tank", "WaterEngine", "build_tables", "require_packages"]

_ANNOUNCED_AFTER_S = 10.0
"""Tables that are there already are found within this time."""

_USUAL_BUILD_S = 120.0
_POLL_S, _POLLS_PER_REPORT = 0.2, 10
_QUEUE_HISTORIES = 32768


@dataclass(frozen=True)
class Tank:
    """A box of water behind the plane of the photons, of cubic voxels, in the frame of the file.

    Parameters
    ----------
    gap_cm:
        from the plane of the photons downstream to the surface of the water.
    center_cm:
        x and y of the middle.
    half_width_cm, depth_cm:
        half the size in x and in y; the size in z. Multiples of `step_cm`.
    step_cm:
        edge of a voxel.
    """

    gap_cm: float
    center_cm: tuple[float, float]
    half_width_cm: float
    depth_cm: float
    step_cm: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        across = round(2 * self.half_width_cm / self.step_cm)
        return across, across, round(self.depth_cm / self.step_cm)

    @property
    def across_cm(self) -> np.ndarray:
        """Middles of the voxels along x or y, relative to the tank's middle."""
        return (np.arange(self.shape[0]) + 0.5) * self.step_cm - self.half_width_cm

    @property
    def depths_cm(self) -> np.ndarray:
        """Depths of the middles of the voxels."""
        return (np.arange(self.shape[2]) + 0.5) * self.step_cm


class WaterEngine:
    """Transport in one tank; tables are there when it is made.

    Parameters
    ----------
    tank:
        geometry.
    highest_mev:
        energy that no photon exceeds. Rounded up to a whole MeV, so that both sides run on the same tables.
    progress:
        hears of the building of tables, and brings a cancel.
    device:
        "cpu", "cuda", or "cuda:1" ... as Warp names it; None: the first GPU where Warp has one.

    Raises
    ------
    ResourceError
        pyRadMC or Warp is missing, or its tables cannot be made.
    Cancelled
    """

    def __init__(self, tank: Tank, highest_mev: float, progress: Progress | None = None, device: str | None = None):
        require_packages()
        self.tank, self.highest_mev = tank, float(math.ceil(highest_mev))
        self.device = "cuda:0" if device == "cuda" else device or _default_device()
        build_tables(self.highest_mev, progress or Progress(), self.device)
        self._engine = _engine(tank, self.device)

    def dose(self, side: Side, uses: int, seed: int) -> np.ndarray:
        """Dose in MeV/g per photon of the side, float64 (x, y, z); every photon is used `uses` times, in order.

        The dose of a photon does not depend on the weight of the file: all count the same.
        """
        source = _source(side.photons, self.highest_mev)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that records repeat, which is what `uses` asks for
            result = self._engine.run(source, n_histories=len(side) * uses, n_batches=1, seed=seed)
        return result.dose


def build_tables(highest_mev: float, progress: Progress, device: str | None = None) -> float:
    """Have kernels and tables made in a process of its own; gives the seconds that it took.

    Raises
    ------
    ResourceError, Cancelled
    """
    start = time.monotonic()
    # The library's place is handed on, and the child loads this very file as a part of it.
    command = [python_executable(), "-m", __name__, str(math.ceil(highest_mev)), device or ""]
    environment = {**os.environ, "PYTHONPATH": library_path()}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                 creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))  # fmt: skip
        try:
            _wait(child, start, progress)
        finally:
            child.kill()
            child.wait()
        if child.returncode:
            said.seek(0)
            last = (said.read().strip().splitlines() or ["no message"])[-1]
            raise ResourceError("pyRadMC", f"its tables could not be made ({last})", "see if the disk is full")
    return time.monotonic() - start


def _wait(child: subprocess.Popen[Any], start: float, progress: Progress) -> None:
    polls = 0
    while child.poll() is None:
        seconds = time.monotonic() - start
        if seconds > _ANNOUNCED_AFTER_S and polls % _POLLS_PER_REPORT == 0:
            done = 1 - math.exp(-seconds / _USUAL_BUILD_S)  # nobody knows how long: it slows down, but moves
            progress.report(done, f"pyRadMC makes its tables: minutes, only once on this computer ({seconds:.0f} s)")
        progress.check()
        polls += 1
        time.sleep(_POLL_S)


def require_packages() -> None:
    """See that pyRadMC and Warp are there, and start Warp.

    Raises
    ------
    ResourceError
        one is not installed.
    """
    try:
        import pyradmc  # noqa: F401

        start_warp()
    except ImportError as error:
        missing = (error.name or "pyradmc").split(".")[0]
        raise ResourceError(
            missing, "is not installed, dose in water needs it", 'pip install "dose3d[phsp]", or leave --dose out'
        ) from error


def _default_device() -> str:
    import warp

    return "cuda:0" if warp.is_cuda_available() else "cpu"


def _engine(tank: Tank, device: str) -> Any:
    from pyradmc.backends.warp.engine import WarpEngine
    from pyradmc.data.analytic import AnalyticCrossSections
    from pyradmc.geometry.grid import VoxelGrid

    corner = (tank.center_cm[0] - tank.half_width_cm, tank.center_cm[1] - tank.half_width_cm, tank.gap_cm)
    grid = VoxelGrid.uniform_water(tank.shape, (tank.step_cm,) * 3, corner)
    chunk = _QUEUE_HISTORIES if device == "cpu" else None
    return WarpEngine(grid, AnalyticCrossSections(grid.max_density_by_material()), device=device, chunk_size=chunk)


def _source(photons: np.ndarray, highest_mev: float) -> Any:
    """All photons in order, from the start again when they are used up; z counts from their plane."""
    from pyradmc.geometry.phasespace import InMemoryPhaseSpaceSource

    raw = photons.astype(np.float64)
    directions = raw[:, 2:5] / np.linalg.norm(raw[:, 2:5], axis=1, keepdims=True)
    one = np.ones(len(raw))
    columns = (raw[:, 5], raw[:, 0], raw[:, 1], 0 * one, *directions.T, one)

    class InOrder(InMemoryPhaseSpaceSource):
        """Drawn with replacement the photons would add a noise of their own."""

        max_energy = highest_mev

        def sample_batch(self, seed: int, history_offset: int, n: int) -> dict[str, np.ndarray]:
            at = (history_offset + np.arange(n)) % len(self)
            batch = {"particle_type": self._codes[at]}
            return batch | {name: column[at].astype(np.float32) for name, column in self._columns.items()}

    return InOrder(one.astype(np.int32), *columns)


def _build_here(highest_mev: float, device: str) -> None:
    """Make what is missing by a transport of one photon."""
    require_packages()
    tank = Tank(0.0, (0.0, 0.0), 1.0, 1.0)
    photon = np.array([[0, 0, 0, 0, 1, 1.0]], np.float32)
    engine = _engine(tank, device or _default_device())
    engine.run(_source(photon, highest_mev), n_histories=1, n_batches=1, seed=1)


if __name__ == "__main__":
    _build_here(float(sys.argv[1]), sys.argv[2])
