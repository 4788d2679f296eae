"""Pictures and tables of rings, edges, nearest neighbours and dose, read back as pixels and words."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from builders.beam_builder import beam_photons
from Dose3DLib.phasespace.compare.edges import compare_edges
from Dose3DLib.phasespace.compare.memorisation import compare_with_train
from Dose3DLib.phasespace.compare.rings import compare_rings
from Dose3DLib.phasespace.compare.sides import Focus, Side
from Dose3DLib.phasespace.compare.water import DoseDraws, plan_of
from Dose3DLib.phasespace.compare.water_compare import compare_doses
from Dose3DLib.report.phase_space_physics import dose_parts, edges_parts, memorisation_parts, rings_parts

NAMES = ("original", "generated")
BLUE, ORANGE = (0x2F, 0x6F, 0x8F), (0xC0, 0x57, 0x1A)


def beam(seed: int, count: int = 8000, is_round: bool = True) -> Side:
    return Side(beam_photons(count, seed, is_round=is_round), np.arange(count), f"beam {seed}", 27.0)


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[..., :3]).astype(int)


def has_color(png: bytes, color: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels(png) - color).max(axis=2) < 40).sum() > 30)


def words(table) -> str:
    return " | ".join(" ; ".join(map(str, row)) for row in table.rows) + table.note


def assert_both_sides_are_drawn(pictures) -> None:
    for name, png, caption in pictures:
        assert caption.endswith("."), name
        assert pixels(png).shape[1] == 1065, "as wide as the page"
        if name != "gamma":
            assert has_color(png, BLUE), name
            assert has_color(png, ORANGE), name


def test_rings_have_a_row_for_each_figure():
    rings = compare_rings(beam(1), beam(2), np.random.default_rng(0))
    pictures, ((title, table),) = rings_parts(rings, NAMES)
    assert_both_sides_are_drawn(pictures)
    assert [name for name, _, _ in pictures] == ["rings", "spectra"]
    assert title == "energy and fluence over the radius"
    assert [row[0] for row in table.rows] == [one.name for one in rings.figures]
    assert f"{rings.energy.worst:.2f}" in words(table)


@pytest.mark.parametrize("is_round", [True, False])
def test_edges_are_in_millimetres_with_the_error_of_the_difference(is_round: bool):
    edges = compare_edges(beam(1, 40_000, is_round), beam(2, 40_000, is_round), np.random.default_rng(0))
    pictures, ((_, table),) = edges_parts(edges, NAMES)
    assert_both_sides_are_drawn(pictures)
    assert len(table.rows) == (1 if is_round else 4)
    first = table.rows[0]
    assert float(first[1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(10 * edges.edges[0].real, abs=0.006)
    assert re.fullmatch(r"[+\u2212]\d+\.\d\d ± \d+\.\d\d", first[3])
    assert ("round" if is_round else "rectangular") in table.note
    assert edges.verdict in table.note


def test_an_edge_that_is_not_there_is_said_to_be_not_found():
    edges = compare_edges(beam(1, 40_000), beam(2, 40_000), np.random.default_rng(0))
    nothing = replace(edges.edges[0], real=None, difference=None, penumbra_real=None, penumbra_generated=None,
                      penumbra_difference=None)  # fmt: skip
    pictures, ((_, table),) = edges_parts(replace(edges, edges=(nothing,)), NAMES)
    assert table.rows[0].count("not found") >= 4
    assert pixels(pictures[0][1]).size


def test_memorisation_says_copies():
    train = beam(1)
    pictures, ((_, table),) = memorisation_parts(compare_with_train(train, train, beam(2), np.random.default_rng(0)))
    assert_both_sides_are_drawn(pictures)
    assert "8,000 of 8,000 are in train" in pictures[0][2]
    assert table.rows[-1] == ("photons of train, repeated", "8,000", "0")


def test_dose_has_curves_differences_gamma_and_floors():
    plan = plan_of(beam(1), Focus(27.0, 0.05, 0.05))
    rng = np.random.default_rng(0)
    depths, across, rows = plan.tank.depths_cm, plan.across_cm, plan.plane_depths_cm

    def draws(name: str, output: float) -> DoseDraws:
        shapes = (np.exp(-0.05 * depths), np.ones_like(across), np.ones_like(across),
                  np.exp(-0.05 * rows)[:, None] * np.ones_like(across))  # fmt: skip
        noisy = [output * one * (1 + 0.02 * rng.standard_normal((20, *one.shape))) for one in shapes]
        return DoseDraws(name, plan, 1000, 3 if name == "a" else 1, *noisy)

    dose = compare_doses(draws("a", 1.0), draws("b", 1.05), rng)
    pictures, ((_, table),) = dose_parts(dose, NAMES)
    assert_both_sides_are_drawn(pictures)
    assert [name for name, _, _ in pictures] == ["depth-dose", "dose-profiles", "gamma"]
    assert "20 x 20 cm²" in pictures[0][2]
    text = words(table)
    assert "output per photon at 10 cm ; 0.03" in text
    assert "1,000 photons used 3 times and 1,000 photons used once" in text
    assert "never normalised to a maximum" in text
    assert "x the floor" in text
