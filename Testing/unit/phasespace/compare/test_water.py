"""Dose in water: geometry and figures on made-up doses, what goes wrong, and (slow) pyRadMC against clinical values."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from builders.beam_builder import beam_photons
from Dose3DLib.core.errors import Cancelled, InputError, ResourceError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.compare import water_engine
from Dose3DLib.phasespace.compare.sides import Focus, Side, focus_of
from Dose3DLib.phasespace.compare.water import FGY_PER_MEV_G, DoseDraws, batches, dose_draws, plan_of
from Dose3DLib.phasespace.compare.water_compare import compare_doses
from Dose3DLib.phasespace.compare.water_engine import Tank, WaterEngine, build_tables


def beam(seed: int = 1, count: int = 20_000, field_cm: float = 6.0, is_round: bool = True) -> Side:
    return Side(beam_photons(count, seed, field_cm, is_round), np.arange(count) // 2, f"beam {seed}", 27.0)


def test_the_water_lies_where_the_focus_says_and_is_as_wide_as_the_field():
    plan = plan_of(beam(), Focus(27.0, 0.05, 0.05), ssd_cm=100.0)
    assert plan.tank.gap_cm == pytest.approx(73.0)
    assert plan.tank.half_width_cm == 30.0, "10 cm of water around the field, but no more than 30 from the middle"
    assert plan.central_half_width_cm == 10.0, "20 x 20 cm in an open field"
    assert plan.tank.center_cm == (0.0, 0.0)
    assert plan.tank.shape[2] == 30
    assert len(plan.across_cm) * plan.merged == plan.tank.shape[0]


def test_a_small_field_off_the_axis_has_a_small_square_around_its_middle():
    side = beam(field_cm=1.35, is_round=False)
    slope = np.float32(4.0 / 73.0)
    photons = side.photons.copy()
    photons[:, 2] += slope * photons[:, 4]
    photons[:, 2:5] /= np.linalg.norm(photons[:, 2:5], axis=1, keepdims=True)
    plan = plan_of(replace(side, photons=photons), Focus(27.0, 0.05, 0.05))
    assert plan.central_half_width_cm == 4.0, "0.8 of a 10 x 10 field, in whole voxels"
    assert plan.tank.center_cm == (4.0, 0.0)
    assert plan.merged == 1
    assert 14.0 <= plan.tank.half_width_cm <= 16.0


def test_a_surface_before_the_plane_is_refused():
    with pytest.raises(InputError, match="behind a surface at 20 cm"):
        plan_of(beam(), Focus(27.0, 0.05, 0.05), ssd_cm=20.0)


def test_batches_hold_every_photon_once_and_share_no_history():
    side = beam(count=5001)
    parts = list(batches(side, np.random.default_rng(0), 10))
    assert len(parts) == 10
    assert sorted(np.concatenate([part.photons[:, 0] for part in parts])) == sorted(side.photons[:, 0])
    seen: set[int] = set()
    for part in parts:
        found = set(part.history.tolist())
        assert not found & seen
        seen |= found


class Uniform:
    """An engine that gives 1e-5 MeV/g per photon everywhere, more to the right, and notes its seeds."""

    def __init__(self, tank: Tank):
        self.tank, self.seeds = tank, []

    def dose(self, side: Side, uses: int, seed: int) -> np.ndarray:
        self.seeds.append(seed)
        return np.full(self.tank.shape, 1e-5) * (1 + 0.01 * self.tank.across_cm)[:, None, None]


def test_curves_are_means_per_photon_in_fgy():
    plan = plan_of(beam(), Focus(27.0, 0.05, 0.05))
    engine = Uniform(plan.tank)
    draws = dose_draws(batches(beam(), np.random.default_rng(0), 8), engine, plan, 2, 5)
    dose = 1e-5 * FGY_PER_MEV_G
    assert dose == pytest.approx(1e-5 * 1e6 * 1.602176634e-19 * 1e3 * 1e15), "MeV/g to fGy"
    assert draws.depth.shape == (8, 30)
    assert draws.depth == pytest.approx(np.full((8, 30), dose))
    assert draws.x == pytest.approx(np.tile(dose * (1 + 0.01 * plan.across_cm), (8, 1)))
    assert draws.y == pytest.approx(np.full(draws.y.shape, dose))
    assert draws.plane.shape == (8, len(plan.plane_depths_cm), len(plan.across_cm))
    assert (draws.photons, draws.uses) == (20_000, 2)
    assert len(set(engine.seeds)) == 8, "each batch has its own random numbers"


def test_one_batch_has_no_error():
    plan = plan_of(beam(), Focus(27.0, 0.05, 0.05))
    with pytest.raises(InputError, match="fewer than two histories"):
        dose_draws([beam()], Uniform(plan.tank), plan, 1, 0)


def test_a_cancel_is_heard_between_batches():
    plan, asked = plan_of(beam(), Focus(27.0, 0.05, 0.05)), []
    progress = Progress(cancelled=lambda: len(asked) > 2 or asked.append(1))
    with pytest.raises(Cancelled):
        dose_draws(batches(beam(), np.random.default_rng(0)), Uniform(plan.tank), plan, 1, 0, progress)


def noisy(name: str, seed: int, output: float = 1.0, slope: float = 0.0, noise: float = 0.02) -> DoseDraws:
    """40 batches of an exponential depth dose with noise, an output and a tilt over the profile."""
    rng = np.random.default_rng(seed)
    plan = plan_of(beam(), Focus(27.0, 0.05, 0.05))
    depths, rows, across = plan.tank.depths_cm, plan.plane_depths_cm, plan.across_cm
    flat = 1 + slope * across / across.max()
    depth, x, y, plane = (
        output * one * (1 + noise * rng.standard_normal((40, *one.shape)))
        for one in (np.exp(-0.05 * depths), flat, np.ones_like(flat), np.exp(-0.05 * rows)[:, None] * flat)
    )
    return DoseDraws(name, plan, 1000, 1, depth, x, y, plane)


def test_like_doses_agree_and_the_error_is_printed():
    found = compare_doses(noisy("a", 1), noisy("b", 2), np.random.default_rng(0))
    assert sum(figure.at_floor for figure in found.figures) >= len(found.figures) - 1
    assert found.depth.largest_error_percent == pytest.approx(100 * 0.02 / np.sqrt(40), rel=0.5)
    assert found.depth.within > 0.8
    assert "of the maximum" in found.verdict
    json.dumps(asdict(found))


@pytest.mark.slow
def test_floors_are_about_right_for_like_doses():
    """Over many pairs of like doses a figure lies above its 95th percentile about once in twenty."""
    above = [
        not figure.at_floor
        for seed in range(12)
        for figure in compare_doses(noisy("a", seed), noisy("b", 100 + seed), np.random.default_rng(seed)).figures[:7]
    ]
    assert np.mean(above) < 0.2


def test_an_output_two_percent_off_is_noticed_though_the_shape_is_the_same():
    found = compare_doses(noisy("a", 1), noisy("b", 2, output=1.02), np.random.default_rng(0))
    output = next(figure for figure in found.figures if figure.name.startswith("output"))
    assert not output.at_floor
    assert not output.within_error
    assert output.generated / output.real == pytest.approx(1.02, abs=0.005)
    assert "over the 95th percentile" in found.verdict
    assert "output per photon at 10 cm" in found.verdict


def test_a_tilted_profile_and_its_gamma_are_noticed():
    found = compare_doses(noisy("a", 1), noisy("b", 2, slope=0.08), np.random.default_rng(0))
    figures = {figure.name: figure for figure in found.figures}
    assert not figures["profile along x, rms"].at_floor
    assert figures["profile along y, rms"].at_floor
    gamma = figures["gamma 2 %/2 mm, failing"]
    assert gamma.value > 20 > gamma.floor.high
    assert max(one for row in found.gamma for one in row if one is not None) > 1


def test_a_side_with_other_errors_has_the_floor_of_these():
    quiet = compare_doses(noisy("a", 1), noisy("b", 2), np.random.default_rng(0)).figures[0].floor.median
    loud = compare_doses(noisy("a", 1), noisy("b", 2, noise=0.2), np.random.default_rng(0)).figures[0].floor.median
    assert loud / quiet == pytest.approx(np.sqrt((1 + 100) / 2), rel=0.3)


@pytest.mark.parametrize("name", ["pyradmc", "warp"])
def test_a_missing_package_is_said_in_one_line(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ResourceError) as error:
        WaterEngine(Tank(73.0, (0.0, 0.0), 10.0, 10.0), 6.0)
    assert str(error.value).startswith(f"{name}: is not installed, dose in water needs it; pip install")
    assert "\n" not in str(error.value)


class Child:
    """Stands for the interpreter: `-m module energy device` are its arguments, which it ignores."""

    def __init__(self, folder, script: str):
        self.path = folder / "python_for_tables"
        self.path.write_text(f"#!{sys.executable}\n{script}\n")
        self.path.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="starts a script by its first line")
def test_the_building_of_tables_is_announced_and_can_be_cancelled(monkeypatch, tmp_path):
    note = str(tmp_path / "pid")
    child = Child(tmp_path, f"import os, time; open({note!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    monkeypatch.setattr(water_engine, "python_executable", lambda: str(child.path))
    monkeypatch.setattr(water_engine, "_ANNOUNCED_AFTER_S", 0.3)
    events: list[dict] = []
    start = time.monotonic()
    with pytest.raises(Cancelled):
        build_tables(6.0, Progress(events.append, lambda: time.monotonic() - start > 2.5), None)
    assert time.monotonic() - start < 20
    said = [event for event in events if event["event"] == "progress"]
    assert "only once on this computer" in said[0]["message"]
    assert 0 < said[0]["fraction"] < 1
    with pytest.raises(ProcessLookupError):  # nothing goes on computing
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform == "win32", reason="starts a script by its first line")
def test_tables_that_cannot_be_made_are_an_error_with_the_last_line(monkeypatch, tmp_path):
    child = Child(tmp_path, "raise OSError('No space left on device')")
    monkeypatch.setattr(water_engine, "python_executable", lambda: str(child.path))
    with pytest.raises(ResourceError, match="tables could not be made .*No space left on device"):
        build_tables(6.0, Progress(), None)


@pytest.mark.slow
def test_a_ten_by_ten_field_has_clinical_depth_dose(shared_data):
    """6 MV, 10 x 10 at SSD 100: D20/D10 0.57 to 0.58, D10/Dmax 0.66 to 0.67 in linacs; this head is a simplified one.

    Also that a dose is per photon, that energy is conserved, and that a seed repeats.
    """
    pytest.importorskip("pyradmc", reason="needs pyradmc and warp-lang (dose3d[phsp])")
    from Dose3DLib.phasespace.photons import history_ids, photon_array
    from Dose3DLib.phasespace.read import open_phase_space

    source = open_phase_space(shared_data / "phasespace_6mv" / "jaws_10x10.IAEAphsp")
    particles = source.read(0, source.count)
    side = Side(photon_array(particles), history_ids(particles.is_new_history), "jaws", 50.0)
    plan = plan_of(side, focus_of(side))
    engine = WaterEngine(plan.tank, float(side.photons[:, 5].max()), device="cpu")
    draws = dose_draws(batches(side, np.random.default_rng(0), 20), engine, plan, 10, 1)
    depth = draws.depth.mean(axis=0)
    at = {d: depth[np.abs(plan.tank.depths_cm - d) < 1].mean() for d in (10, 20)}
    assert at[20] / at[10] == pytest.approx(0.575, abs=0.02)
    assert at[10] / depth.max() == pytest.approx(0.665, abs=0.03)
    assert plan.tank.depths_cm[np.argmax(depth)] in (1.5, 2.5)
    dose = engine.dose(side, 1, 3)
    assert dose.sum() <= side.photons[:, 5].mean(), "1 cm3 of water is 1 g: no more energy than came in"
    assert dose.sum() > 0.3 * side.photons[:, 5].mean()
    assert np.array_equal(dose, engine.dose(side, 1, 3))
    same = engine.dose(Side(np.tile(side.photons, (2, 1)), np.tile(side.history, 2), "twice", 50.0), 1, 3)
    assert same.sum() == pytest.approx(dose.sum(), rel=0.01), "per photon, however many there are"


def test_warp_starts_without_a_word(capfd):
    pytest.importorskip("warp", reason="needs pyradmc and warp-lang (dose3d[phsp])")
    water_engine.require_packages()
    assert capfd.readouterr() == ("", "")
    print("heard", file=sys.stderr)
    assert capfd.readouterr().err == "heard\n", "standard error is there again"
