"""Whatever structure, grid, dose and table of goals: volumes add up, curves fall, and faults are one line."""

from __future__ import annotations

import numpy as np
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.dvh_metrics import figure_of, parse_metric
from Dose3DLib.dose.dvh_set import Doses, structure_dvh
from Dose3DLib.dose.goals import read_goals
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.occupancy import contours_volume_cc
from Dose3DLib.geometry.structure import Structure
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def grid(random: np.random.Generator, most: int) -> Grid:
    """Any orientation and handedness, a little sheared, 0.3 to 6 mm."""
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = (turn + random.uniform(-0.05, 0.05, (3, 3))) * random.uniform(0.3, 6, 3)
    affine[:3, 3] = random.uniform(-50, 50, 3)
    return Grid(tuple(random.integers(1, most, 3)), affine)


@FEW
@given(seed=st.integers(0, 2**32), as_contours=st.booleans(), ends=st.booleans())
def test_volumes_add_up(seed, as_contours, ends):
    random = np.random.default_rng(seed)
    own, doses = grid(random, 12), grid(random, 14)
    if as_contours:
        slices = random.choice(own.shape[0], random.integers(1, own.shape[0] + 1), replace=False)
        contours = {int(k): [random.uniform(-1, 12, (random.integers(3, 9), 2))] for k in slices}
        structure = Structure("x", Mask.empty(own), contours)
        volume = contours_volume_cc(contours, own)
    else:
        structure = Structure("x", Mask.from_array(random.random(own.shape) < 0.4, own))
        volume = structure.mask.volume_cc
    array = random.uniform(0, 70, doses.shape).astype(np.float32)
    found = structure_dvh(structure, own, Doses(Volume(array, doses)), ends).dvh
    if ends or not as_contours:
        # Coordinates are snapped to a millionth of a pixel, which slivers feel.
        assert abs(found.volume_cc - volume) <= 1e-5 * volume + 1e-7
    else:
        assert found.volume_cc <= volume * (1 + 1e-5) + 1e-7
    if found.is_empty:
        return
    levels = np.linspace(-1, 71, 50)
    curve = found.volume_of_dose(levels)
    assert (np.diff(curve) <= 0).all()
    assert curve[0] == found.known_cc
    assert curve[-1] == 0
    names = ("Max", "D2%", "D50%", "D95%", "Min")
    values = [figure_of(found, parse_metric(name)) for name in names]
    assert all(a.value >= b.value - 1e-9 for a, b in zip(values, values[1:], strict=False))
    assert all(one.low <= one.value <= one.high for one in values)
    assert array.min() - 1e-3 <= found.minimum <= found.mean <= found.maximum <= array.max() + 1e-3


CELLS = st.sampled_from(
    ["PTV", "", "=1", "D95%[Gy]", "V20Gy", "<= 5", "5", "≥ 1,5", "#N/A", "é;", '"', "Mean", "a\tb", "\0"]
)


@FEW
@given(
    cells=st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=5),
    separator=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_table_of_goals_is_read_or_refused_in_one_line(tmp_path, cells, separator, ending):
    path = tmp_path / "g.csv"
    rows = [("structure", "metric", "limit", "near"), *cells]
    path.write_bytes(ending.join(separator.join(row) for row in rows).encode())
    try:
        goals = read_goals(str(path))
    except InputError as error:
        message = str(error)
    else:
        message = ""
        assert all(np.isfinite(goal.limit) for goal in goals)
    assert "\n" not in message
    assert "\r" not in message
