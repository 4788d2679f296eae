"""Coordinates of photons: there and back, exactly normal, lines, focus, limits; nothing wired to a machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders.beam_builder import LINE_MEV, LINE_SHARE, PLANE_CM, SPOT_CM, beam_photons
from Dose3DLib.phasespace.coordinates import Coordinates, fit_coordinates
from Dose3DLib.phasespace.focus import back_projected, best_focus, robust_sigma
from Dose3DLib.phasespace.lines import find_lines, line_of
from Dose3DLib.phasespace.photons import history_ids, is_usable
from Dose3DLib.phasespace.quantiles import fit_table
from scipy.stats import ks_2samp, kstest, norm


def there_and_back(coordinates: Coordinates, photons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points, context = coordinates.encode(photons, np.random.default_rng(1))
    found, possible = coordinates.decode(torch.from_numpy(points), torch.from_numpy(context))
    return found.numpy(), possible.numpy()


@pytest.mark.parametrize(("kind", "is_round"), [("physics", True), ("physics", False), ("raw", True)])
def test_there_and_back(kind, is_round):
    photons = beam_photons(50_000, is_round=is_round)
    found, possible = there_and_back(fit_coordinates(photons, PLANE_CM, kind), photons)
    assert possible.mean() > 0.9999
    # Far out in the tails there are few photons between the knots of a table.
    assert np.percentile(np.abs(found - photons)[possible], 99.9, axis=0) == pytest.approx(np.zeros(6), abs=1e-3)
    assert np.median(np.abs(found - photons), axis=0) == pytest.approx(np.zeros(6), abs=3e-6)


def test_the_file_decides_the_frame():
    assert fit_coordinates(beam_photons(30_000, is_round=True), PLANE_CM, "physics").frame == "polar"
    assert fit_coordinates(beam_photons(30_000, is_round=False), PLANE_CM, "physics").frame == "cartesian"


def test_points_are_normal_and_new_photons_too():
    coordinates = fit_coordinates(beam_photons(100_000, seed=1), PLANE_CM, "physics")
    points, _ = coordinates.encode(beam_photons(20_000, seed=2), np.random.default_rng(0))
    assert [kstest(column, "norm").statistic < 0.015 for column in points.T] == [True] * 5


@pytest.mark.parametrize("shift", [0.0, 3.0, -40.0])
def test_focus_is_found_wherever_the_plane_lies(shift):
    photons = beam_photons(60_000)
    assert best_focus(photons, PLANE_CM + shift) == pytest.approx(shift, abs=0.2)
    x, _ = back_projected(photons, PLANE_CM)
    # A tenth of the photons is wide scatter: the quartiles are those of 7/9 and 2/9 of the core.
    assert robust_sigma(x) == pytest.approx(SPOT_CM * norm.ppf(7 / 9) / norm.ppf(3 / 4), rel=0.02)


def test_the_line_is_found_kept_exactly_and_at_its_share():
    photons = beam_photons(50_000)
    coordinates = fit_coordinates(photons, PLANE_CM, "physics")
    assert coordinates.lines.tolist() == [LINE_MEV]
    assert coordinates.line_shares[0] == pytest.approx(LINE_SHARE, rel=0.15)
    found, _ = there_and_back(coordinates, photons)
    on_line = photons[:, 5] == LINE_MEV
    assert (found[on_line, 5] == LINE_MEV).all()
    assert (found[~on_line, 5] != LINE_MEV).mean() > 0.999


def test_a_rounded_spectrum_has_no_lines_and_a_smooth_one_neither():
    energies = np.random.default_rng(0).gamma(2.0, 0.7, 50_000).astype(np.float32)
    assert len(find_lines(energies)) == 0
    assert len(find_lines(np.round(energies, 2))) == 0
    both = np.concatenate([energies, np.full(500, LINE_MEV), np.full(700, np.float32(1.25))])
    assert find_lines(both).tolist() == [LINE_MEV, np.float32(1.25)]
    assert line_of(np.array([LINE_MEV, 0.6], np.float32), find_lines(both)).tolist() == [0, -1]


def test_a_line_of_neighbouring_floats_is_one_line():
    energies = np.random.default_rng(0).gamma(2.0, 0.7, 50_000).astype(np.float32)
    above = np.nextafter(LINE_MEV, np.float32(1))
    both = np.concatenate([energies, np.full(400, LINE_MEV), np.full(300, above)])
    assert find_lines(both).tolist() == [LINE_MEV]


@pytest.mark.parametrize("kind", ["physics", "raw"])
def test_impossible_points_are_said_so(kind):
    photons = beam_photons(20_000)
    coordinates = fit_coordinates(photons, PLANE_CM, kind)
    size = coordinates.size
    points = torch.zeros((4, size))
    points[1, -1], points[2, -1], points[3, 0] = 50.0, -50.0, float("nan")
    _, possible = coordinates.decode(points, torch.zeros((4, coordinates.context)))
    assert possible.tolist() == [True, False, False, False]


def test_any_noise_gives_unit_vectors_and_energies_in_range():
    coordinates = fit_coordinates(beam_photons(20_000), PLANE_CM, "physics")
    points = 1.5 * torch.randn((50_000, 5), generator=torch.Generator().manual_seed(0))
    photons, possible = coordinates.decode(points, torch.zeros((50_000, coordinates.context)))
    photons = photons[possible].double()
    assert (photons[:, 2:5].square().sum(dim=1) - 1).abs().max() < 5e-7
    assert float(photons[:, 5].min()) > 0
    assert float(photons[:, 5].max()) <= coordinates.highest_mev


def test_calibration_makes_marginals_of_a_wrong_network_right():
    """A network that bends and shifts its normal numbers: energies and radii of its photons are right all the same."""
    train, new = beam_photons(60_000, seed=1), beam_photons(40_000, seed=2)
    coordinates = fit_coordinates(train, PLANE_CM, "physics")
    generator = torch.Generator().manual_seed(0)

    def wrong(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        context = coordinates.draw_context(count, generator)
        noise = torch.randn((count, 5), generator=generator)
        return torch.sinh(0.6 * noise) + 0.2, context

    def distances(used: Coordinates) -> list[float]:
        made, possible = used.decode(*wrong(40_000))
        made = made[possible].numpy()
        values = [(side[:, 5], np.hypot(side[:, 0], side[:, 1])) for side in (made, new)]
        return [ks_2samp(a, b).statistic for a, b in zip(*values, strict=True)]

    assert coordinates.by_construction == ()
    assert min(distances(coordinates)) > 0.03
    points, context = wrong(200_000)
    right = coordinates.calibrated(points.numpy(), context.numpy())
    assert max(distances(right)) < 0.012
    assert right.by_construction == ("r", "energy")
    again = Coordinates.from_dict(right.to_dict(), right.arrays())
    assert np.allclose(again.calibration, right.calibration)


def test_coordinates_survive_json_and_float32():
    photons = beam_photons(20_000)
    for kind in ("physics", "raw"):
        coordinates = fit_coordinates(photons, PLANE_CM, kind)
        again = Coordinates.from_dict(coordinates.to_dict(), coordinates.arrays())
        first, second = there_and_back(coordinates, photons)[0], there_and_back(again, photons)[0]
        assert np.abs(first - second).max() < 2e-4


def test_table_ends_with_the_sample_and_knows_its_quantiles():
    values = np.random.default_rng(0).exponential(size=200_000)
    table = fit_table(values)
    assert (table.values[0], table.values[-1]) == (values.min(), values.max())
    normal = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
    found = table.from_normal(normal, torch.as_tensor(table.values))
    share = np.array([0.5, 0.841344746, 0.158655254])
    assert found.numpy() == pytest.approx(-np.log(1 - share), rel=0.02)


def test_histories_are_numbered_and_a_cut_first_one_belongs_to_zero():
    assert history_ids(np.array([False, True, False, True], bool)).tolist() == [0, 1, 1, 2]
    assert history_ids(np.array([True, False, True], bool)).tolist() == [0, 0, 1]
    assert history_ids(np.zeros(0, bool)).tolist() == []


def test_what_cannot_be_learned():
    photons = np.array([[0, 0, 0, 0, 1, 1]] * 6, np.float32)
    photons[1, 5], photons[2, 4], photons[3, 0] = 0, -1, np.nan
    photons[4, 2:5] = 0
    assert is_usable(photons).tolist() == [True, False, False, False, False, True]
