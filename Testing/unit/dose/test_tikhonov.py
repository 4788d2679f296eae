"""Tikhonov's fit, against a dense solution of the same normal equations."""

import numpy as np
import pytest
from builders.cells_builder import GRID, ball_dose, ball_problem, lattice_cells
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.tikhonov import smoothness_matrix, tikhonov
from Dose3DLib.geometry.grid import Grid

SMALL = Grid.axial((6, 7, 8), (2.0, 4.0, 4.0), (-14.0, -12.0, -5.0))


def dense_solution(operator, values, inside, weight):
    """Normal equations written down voxel by voxel."""
    chosen = np.flatnonzero(inside)
    matrix = operator.matrix.toarray()[:, chosen]
    place, shape = {flat: n for n, flat in enumerate(chosen)}, inside.shape
    penalty = np.zeros((chosen.size, chosen.size))
    for flat in chosen:
        at = np.array(np.unravel_index(flat, shape))
        for axis, step in enumerate(SMALL.spacing_mm):
            after = at.copy()
            after[axis] += 1
            if after[axis] < shape[axis] and (other := int(np.ravel_multi_index(after, shape))) in place:
                row = np.zeros(chosen.size)
                row[place[flat]], row[place[other]] = -1 / step, 1 / step
                penalty += np.outer(row, row)
    penalty *= weight * SMALL.voxel_volume_mm3 / 1000
    found = np.zeros(inside.size)
    found[chosen] = np.linalg.solve(matrix.T @ matrix + penalty, matrix.T @ values)
    return found.reshape(shape)


def test_it_solves_the_normal_equations():
    rng = np.random.default_rng(1)
    inside = rng.random(SMALL.shape) < 0.9
    operator = cell_operator(lattice_cells(pitch_mm=7.0, size_mm=6.0, reach=1), SMALL)
    values = rng.uniform(1, 9, len(operator.cells))
    found = tikhonov([operator], [values], inside, 0.3, tolerance=1e-10)
    assert found == pytest.approx(dense_solution(operator, values, inside, 0.3), abs=1e-5)


def test_penalty_of_a_plane_is_its_slope_squared():
    """One tenth of a Gy per mm along x: every pair of neighbours along x counts 0.01, the others nothing."""
    inside = np.ones(SMALL.shape, bool)
    plane = np.broadcast_to(0.1 * 4.0 * np.arange(8), SMALL.shape).ravel()
    assert plane @ smoothness_matrix(inside, SMALL) @ plane == pytest.approx(0.01 * 6 * 7 * 7)


def test_cells_without_a_value_are_left_out():
    problem = ball_problem()
    operator, values = problem.operators[0], problem.values[0].copy()
    values[::5] = np.nan
    kept = np.isfinite(values)
    part = cell_operator(operator.cells.take(kept), GRID, "constant")
    with_gaps = tikhonov([operator], [values], problem.inside, tolerance=1e-9)
    without = tikhonov([part], [values[kept]], problem.inside, tolerance=1e-9)
    assert with_gaps == pytest.approx(without, abs=1e-3)


def test_body_and_second_acquisition_help():
    dose, body, _ = ball_dose()

    def error(**settings):
        problem = ball_problem(noise=0.0, **settings)
        found = tikhonov(problem.operators, problem.values, problem.inside)
        assert not found[~problem.inside].any()
        return np.abs(found - dose)[body].mean()

    alone, with_body, twice = error(known_body=False), error(), error(frames=2)
    assert twice < with_body < alone


def test_a_uniform_dose_comes_back():
    operator = cell_operator(lattice_cells(), GRID)
    found = tikhonov([operator], [np.full(len(operator.cells), 2.0)], np.ones(GRID.shape, bool), tolerance=1e-9)
    assert found == pytest.approx(np.full(GRID.shape, 2.0), abs=1e-4)
