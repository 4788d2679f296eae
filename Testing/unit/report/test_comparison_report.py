"""The report of a comparison says what decides, marks what is given, and carries its pictures."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from builders.beam_builder import beam_photons
from Dose3DLib.phasespace.compare.floor import Figure, Floor
from Dose3DLib.report.html import render
from Dose3DLib.report.phase_space_compare import (
    ComparisonReport,
    ModelPart,
    comparison_page,
    figures_picture,
    label_of,
)
from Dose3DLib.report.photon_figures import correlations_figure, focus_figure, maps_figure, marginals_figure

FLOOR = Floor((0.002, 0.003, 0.004))
FIGURES = (
    Figure("AUC physics", "joint", 0.5512, Floor((0.499, 0.5, 0.502)), base=0.5, interval=(0.5478, 0.5546)),
    Figure("MMD six", "joint", 0.0031, FLOOR, p=0.41),
    Figure("W1 energy", "marginals", 0.0025, FLOOR, by_construction=True),
    Figure("KS energy", "marginals", 0.0025, FLOOR, by_construction=True),
    Figure("W1 u", "marginals", 0.012, FLOOR),
    Figure("KS u", "marginals", 0.0025, FLOOR),
    Figure("511 keV exact", "properties", 0.1, Floor((0.05, 0.06)), "%", real=0.27, generated=0.37, error=0.02),
    Figure("correlation x u", "correlations", 0.001, FLOOR, real=0.981, generated=0.98, error=0.001),
)


def page_of(*parts: ModelPart, **facts: object) -> str:
    floors = {figure.name: figure.floor for figure in FIGURES}
    content = ComparisonReport("open_test", {"Plane": "z = 27 cm"}, "The floor is of 20 draws.", floors, parts, **facts)
    return render(comparison_page(content))


def rows_of(page: str) -> list[list[str]]:
    """Cells of all rows of all tables."""
    rows = [row.split("<td")[1:] for row in page.split("<tr")[1:]]
    return [[cell.split(">", 1)[1].split("</td")[0] for cell in row] for row in rows if row]


@pytest.fixture(scope="module")
def columns() -> dict[str, np.ndarray]:
    photons = beam_photons(4000).astype(float)
    named = dict(zip(("x", "y", "u", "v", "w", "energy"), photons.T, strict=True))
    return {**named, "r": np.hypot(*photons[:, :2].T), "focus_x": photons[:, 0] / 50, "focus_y": photons[:, 1] / 50}


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def test_each_figure_stands_beside_its_floor_and_verdict():
    rows = rows_of(page_of(ModelPart("flow", FIGURES)))
    assert ["AUC, physics features", "0.5512", "0.5478 to 0.5546", "0.5000", "0.5018", "+0.049 above the floor"] in rows
    assert ["MMD, six variables", "0.0031", "p 0.410", "0.003", "0.0039", "at the floor"] in rows
    assert ["Exactly 511 keV (%)", "0.27", "0.37", "0.1 ± 0.02", "5 errors off", "1.82 x the floor"] in rows
    assert [
        "Correlation X - dX",
        "0.981",
        "0.98",
        "\N{MINUS SIGN}0.001 ± 0.001",
        "within error",
        "at the floor",
    ] in rows


def test_marginals_right_by_construction_are_marked_and_do_not_count():
    page = page_of(ModelPart("flow", FIGURES), ranks={"flow": 1.0})
    marked = next(row for row in rows_of(page) if row[0].startswith("E ("))
    assert marked[0] == "E (right by construction)"
    assert 'class="muted"' in page
    assert next(row for row in rows_of(page) if row[0] == "dX")[3] == "4 x the floor"
    verdict = next(row for row in rows_of(page) if row[0] == "flow")
    assert verdict[-1] == "3 of 6", "of the eight figures two are given"


def test_models_and_naive_generators_come_in_the_order_of_their_ranks():
    naive = {"Gaussian copula": {"AUC physics": 0.97}}
    ranks = {"flow": 1.0, "Gaussian copula": 2.0, "vae": 3.0}
    rows = rows_of(page_of(ModelPart("flow", FIGURES), ModelPart("vae", FIGURES), naive=naive, ranks=ranks))
    names = [row[0] for row in rows]
    assert names[:4] == ["real against real, 95th percentile", "flow", "Gaussian copula", "vae"]
    assert rows[2][2] == "0.9700"


def test_original_against_decoded_has_a_section_where_there_is_an_encoder():
    picture = ("marginals", b"\x89PNG....", "Original and decoded.")
    part = ModelPart("vae", FIGURES, decoded=[("Sliced W1, six variables", 0.02, FLOOR)], decoded_pictures=[picture])
    page = page_of(part)
    assert "Original against decoded" in page
    assert ["Sliced W1, six variables", "0.02", "0.003", "0.0039"] in rows_of(page)
    assert "Original and decoded." in page
    assert "Original against decoded" not in page_of(ModelPart("flow", FIGURES))


def test_names_from_files_are_escaped():
    assert "<b>" not in page_of(ModelPart("<b>", FIGURES), ranks={"<b>": 1.0}).split("</style>")[1].replace(
        "<b>Dose3D", ""
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [("W1 u", "dX"), ("correlation x energy", "Correlation X - E"), ("sliced W1", "Sliced W1, six variables"),
     ("depth dose, rms", "depth dose, rms"), ("KS worst", "Worst KS of the six")],
)  # fmt: skip
def test_names_for_readers(name, label):
    assert label_of(name) == label


def test_every_figure_with_a_floor_is_in_the_picture():
    title, png, caption = figures_picture(FIGURES, "flow")
    assert (title, size_of(png)[0]) == ("figures", 1065)
    assert "blue dots are at the floor" in caption
    more = figures_picture([*FIGURES, Figure("map x-y", "joint", 0.2, Floor((0.1, 0.1)))], "flow")[1]
    assert size_of(more)[1] > size_of(png)[1]


def test_pictures_of_photons_are_as_wide_as_the_page(columns):
    other = {name: values[::2] * 1.1 for name, values in columns.items()}
    names = ("original", "generated")
    pictures = [
        marginals_figure(columns, other, names),
        maps_figure(columns, other, names),
        focus_figure(columns, other, 0.05, names),
        correlations_figure(np.eye(6), 0.5 * np.eye(6), names),
    ]
    assert {size_of(png)[0] for png in pictures} == {1065}


def test_photons_of_one_energy_or_without_any_line_can_be_drawn(columns):
    flat = {**columns, "energy": np.full(4000, 1.25)}
    assert size_of(marginals_figure(flat, columns, ("a", "b")))
    assert size_of(maps_figure(flat, columns, ("a", "b")))
