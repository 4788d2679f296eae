"""Sums and histograms, judged by numpy on all particles at once."""

from __future__ import annotations

import numpy as np
import pytest
from builders.phase_space_builder import RECORDS, beam_records, write_phase_space
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.summary import summarise


def test_species_and_ranges(tmp_path):
    source = open_phase_space(write_phase_space(tmp_path, RECORDS * 3))
    found = summarise(source.read(0, 2), source.chunks(5))
    assert (found.count, found.new_histories) == (12, 6)
    assert {name: one.count for name, one in found.species.items()} == {"photon": 6, "electron": 3, "positron": 3}
    photon = found.species["photon"]
    assert (photon.weight, photon.mean_mev) == (3.0, 1.0)
    assert (photon.lowest_mev, photon.highest_mev) == (0.5, 1.5)
    assert found.ranges["x"] == (-3.0, 5.0)
    assert found.ranges["z"] == (27.0, 27.0)


def test_histograms_hold_every_photon(tmp_path):
    source = open_phase_space(write_phase_space(tmp_path, beam_records(2000)))
    photons = source.read(0, source.count)
    found = summarise(photons, source.chunks(300))
    assert found.spectrum.values.sum() == pytest.approx(1000)  # weight 0.5 each
    # Values on the edge of a bin may fall to either side, so the judge moves them by less than their spacing.
    expected, _ = np.histogram(photons.energy.astype(float) + 1e-7, found.spectrum.edges)
    assert np.array_equal(found.spectrum.values / 0.5, expected)
    expected, _, _ = np.histogram2d(
        photons.x.astype(float) + 1e-7, photons.y.astype(float) + 1e-7, [found.x_edges, found.y_edges]
    )
    assert np.abs(found.fluence / 0.5 - expected).sum() <= 2


@pytest.mark.parametrize(("energy", "x"), [(50.0, 0.0), (1.0, 300.0), (1.0, -300.0)])
def test_histograms_grow_to_what_comes_later(tmp_path, energy, x):
    records = [*beam_records(200), (1, energy, x, 0.0, 0.0, 0.0, 0.0, 0)]
    source = open_phase_space(write_phase_space(tmp_path, records))
    found = summarise(source.read(0, 100), source.chunks(50))
    assert found.spectrum.values.sum() == pytest.approx(100.5)
    assert found.fluence.sum() == pytest.approx(100.5)
    assert found.spectrum.edges[-1] > energy
    assert found.x_edges[0] <= min(x, -4)
    assert found.x_edges[-1] >= max(x, 4)
    middle = (found.spectrum.edges[:-1] + found.spectrum.edges[1:]) / 2
    mean = (middle * found.spectrum.values).sum() / found.spectrum.values.sum()
    true = np.abs([record[1] for record in records]).mean()
    assert mean == pytest.approx(true, abs=np.diff(found.spectrum.edges)[0])


def test_without_photons_all_are_shown(tmp_path):
    source = open_phase_space(write_phase_space(tmp_path, [RECORDS[2]] * 4))
    found = summarise(source.read(0, 4), source.chunks())
    assert found.shown == "all"
    assert found.spectrum.values.sum() == 2.0


def test_what_is_no_number_is_counted_and_said(tmp_path):
    records = [*beam_records(100), (1, 1.0, float("nan"), 0.0, 0.0, 0.0, 0.0, 0), (9, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)]
    source = open_phase_space(write_phase_space(tmp_path, records))
    found = summarise(source.read(0, 50), source.chunks())
    assert found.count == 102
    assert any("not numbers" in note for note in found.notes)
    assert any("no known species" in note for note in found.notes)
