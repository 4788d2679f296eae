"""particlezoo (MIT, pypi.org/project/particlezoo) shares no code with us: it reads our files, and we read its."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.particle_builder import EXTRAS, some_particles
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts, open_writer
from Dose3DLib.tasks import phsp_convert

particlezoo = pytest.importorskip("particlezoo")

TYPES = {"Photon": 1, "Electron": 2, "Positron": 3, "Neutron": 4, "Proton": 5}
COLUMNS = ("species", "energy", "x", "y", "z", "u", "v", "w", "weight", "is_new_history")


def read_all(path) -> tuple[object, dict[str, np.ndarray]]:
    """particlezoo's reader, at its end, and its particles in our names."""
    reader, rows, extras = particlezoo.create_reader(str(path)), [], []
    while reader.has_more_particles():
        p = reader.get_next_particle()
        rows.append((TYPES[p.type.name], p.kinetic_energy, p.x, p.y, p.z, p.px, p.py, p.pz, p.weight, p.is_new_history))
        kinds = particlezoo.IntPropertyType, particlezoo.FloatPropertyType
        extras.append((
            p.get_float_property(kinds[1].ZLAST) if p.has_float_property(kinds[1].ZLAST) else None,
            p.get_int_property(kinds[0].EGS_LATCH) if p.has_int_property(kinds[0].EGS_LATCH) else None,
        ))  # fmt: skip
    found = {name: np.array(values) for name, values in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
    return reader, found | {"ZLAST": [row[0] for row in extras], "LATCH": [row[1] for row in extras]}


def agree(found: dict, wanted, tolerance: float = 1e-6) -> None:
    """particlezoo makes unit vectors of what it reads: cosines agree to rounding, all else exactly."""
    for name in COLUMNS:
        values = getattr(wanted, name)
        if name in ("u", "v", "w"):
            # W comes from U and V in float32: where it is small their rounding moves it.
            assert np.abs(found[name] - values).max() < (2e-3 if name == "w" else tolerance), name
        else:
            assert np.array_equal(found[name].astype(values.dtype), values), name


def test_it_reads_ours(tmp_path):
    """Little endian: particlezoo 1.1.2 takes $BYTE_ORDER 4321 for that, too; struct judges the other order."""
    wanted = some_particles(3000)
    path = tmp_path / "ours.IAEAphsp"
    with open_writer(path, FileFacts("T", 12_345, extras=EXTRAS)) as writer:
        writer.write(wanted)
    reader, found = read_all(path)
    agree(found, wanted)
    assert found["ZLAST"] == wanted.extras["ZLAST"].tolist()
    assert found["LATCH"] == wanted.extras["LATCH"].tolist()
    assert (reader.get_number_of_particles(), reader.get_number_of_original_histories()) == (3000, 12_345)


def test_it_reads_our_constants(tmp_path):
    wanted = some_particles(500)
    constants = {"z": 26.7, "weight": 0.025, "x": -1.5}
    wanted = replace(wanted, extras={}, **{n: np.full(500, v, np.float32) for n, v in constants.items()})
    path = tmp_path / "ours.IAEAphsp"
    with open_writer(path, FileFacts("T", 99_999, constants=constants)) as writer:
        writer.write(wanted)
    reader, found = read_all(path)
    agree(found, wanted)
    assert reader.is_z_constant()
    assert reader.is_weight_constant()
    assert reader.is_x_constant()
    assert not reader.is_y_constant()


def test_we_read_its(tmp_path):
    wanted = some_particles(2000)
    path = tmp_path / "its.IAEAphsp"
    writer = particlezoo.create_writer(str(path))
    names = {code: name for name, code in TYPES.items()}
    for n in range(len(wanted)):
        kind = getattr(particlezoo.ParticleType, names[int(wanted.species[n])])
        numbers = [float(getattr(wanted, name)[n]) for name in ("energy", "x", "y", "z", "u", "v", "w")]
        particle = particlezoo.Particle(kind, *numbers, bool(wanted.is_new_history[n]), float(wanted.weight[n]))
        writer.write_particle(particle)
    writer.add_additional_histories(1000)
    writer.close()
    source = open_phase_space(path)
    found = source.read(0, source.count)
    agree({name: getattr(found, name) for name in COLUMNS}, wanted)
    assert source.histories == wanted.is_new_history.sum() + 1000
    assert source.notes == ()


def test_a_filtered_real_file(shared_data, tmp_path):
    """Electrons and small radii of a file of BEAMnrc: both readers see the same, histories as we say."""
    path = shared_data / "phasespace_6mv" / "format_samples" / "beamnrc_raw.IAEAphsp"
    output = tmp_path / "small.IAEAphsp"
    phsp_convert.run(phsp_convert.Settings(input=path, output=output, max_radius=9.0, min_energy=0.2))
    reader, found = read_all(output)
    assert reader.get_number_of_original_histories() == 40_000
    _, whole = read_all(path)
    chosen = (np.hypot(whole["x"], whole["y"]) <= 9) & (whole["energy"] >= np.float32(0.2))
    history = np.cumsum(whole["is_new_history"])[chosen]
    assert np.array_equal(found["x"], whole["x"][chosen])
    assert np.array_equal(found["is_new_history"], np.diff(history, prepend=-1) != 0)
    assert {1, 2} == set(found["species"].tolist())


@pytest.mark.parametrize("z", [50.0, 5.0])
def test_another_plane_as_it_projects(shared_data, tmp_path, z):
    path = shared_data / "phasespace_6mv" / "format_samples" / "beamnrc_raw.IAEAphsp"
    output = tmp_path / "moved.IAEAphsp"
    phsp_convert.run(phsp_convert.Settings(input=path, output=output, plane=z, particles=500))
    _, found = read_all(output)
    reader = particlezoo.create_reader(str(path))
    for n in range(500):
        particle = reader.get_next_particle()
        particle.project_to_z(z)
        assert (found["x"][n], found["y"][n]) == pytest.approx((particle.x, particle.y), abs=1e-4)
