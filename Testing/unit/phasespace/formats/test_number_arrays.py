"""npy and npz: arrays as gaga has them are read; what is written is opened by numpy alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats.arrays import NpyWriter, NpzWriter
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts

NAMES = ("Ekine", "X", "Y", "Z", "dX", "dY", "dZ")
TABLE = np.array([[1.5, 10, -20, 270, 0.6, 0, 0.8], [0.5, 30, 40, 270, 0, -0.8, -0.6], [2, 0, 5, 270, 0, 0, 1]])
PDG = np.array([22, 11, -11])


def check(particles, factor: float = 0.1, z: float | None = 27.0) -> None:
    """`TABLE` with its lengths in a unit of `factor` cm."""
    assert particles.energy.tolist() == [1.5, 0.5, 2.0]
    assert np.allclose(particles.x, factor * TABLE[:, 1], rtol=1e-7)
    assert np.allclose(particles.y, factor * TABLE[:, 2], rtol=1e-7)
    assert np.allclose(particles.z, factor * TABLE[:, 3] if z is None else z, rtol=1e-7)
    for n, name in enumerate("uvw"):
        assert np.array_equal(getattr(particles, name), TABLE[:, 4 + n].astype(np.float32))


def named(dtype="<f4", **more) -> np.ndarray:
    array = np.zeros(3, [*((name, dtype) for name in NAMES), *((name, values.dtype) for name, values in more.items())])
    for n, name in enumerate(NAMES):
        array[name] = TABLE[:, n]
    for name, values in more.items():
        array[name] = values
    return array


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
def test_named_fields_in_mm(tmp_path, dtype):
    np.save(tmp_path / "a.npy", named(dtype))
    source = open_phase_space(tmp_path / "a.npy")
    assert (source.kind, source.count, source.histories) == ("numpy array", 3, None)
    check(source.read(0, 9))
    assert (source.read(0, 9).species == 1).all()
    assert any("taken as mm" in note for note in source.notes)
    assert any("taken as photons" in note for note in source.notes)
    assert any("each particle is taken as one of its own" in note for note in source.notes)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 0.1), ("cm", 1.0), ("m", 100.0)])
def test_the_unit_that_is_given(tmp_path, unit, factor):
    np.save(tmp_path / "a.npy", named())
    check(open_phase_space(tmp_path / "a.npy", unit=unit).read(0, 9), factor, None)
    with pytest.raises(InputError, match='"inch" is no unit'):
        open_phase_space(tmp_path / "a.npy", unit="inch")


@pytest.mark.parametrize("order", ["C", "F"])
def test_tables_of_seven_and_six_columns(tmp_path, order):
    np.save(tmp_path / "a.npy", np.asarray(TABLE.astype(np.float32), order=order))
    check(open_phase_space(tmp_path / "a.npy").read(0, 9))
    np.save(tmp_path / "a.npy", np.asarray(np.delete(TABLE, 3, axis=1), order=order))
    source = open_phase_space(tmp_path / "a.npy", plane=12.5)
    check(source.read(0, 9), z=12.5)
    assert source.constants == {"z": 12.5, "weight": 1.0}
    assert any("no column of Z" in note for note in open_phase_space(tmp_path / "a.npy").notes)


def test_species_weights_and_histories_by_name(tmp_path):
    more = {"PDGCode": PDG, "Weight": np.array([1, 2, 3.0]), "NewHistory": np.array([True, False, True])}
    np.save(tmp_path / "a.npy", named(**more))
    particles = open_phase_space(tmp_path / "a.npy").read(0, 9)
    assert particles.species.tolist() == [1, 2, 3]
    assert particles.weight.tolist() == [1, 2, 3]
    assert particles.is_new_history.tolist() == [True, False, True]


def test_events_tell_the_histories_across_pieces(tmp_path):
    np.save(tmp_path / "a.npy", named(EventID=np.array([5, 5, 6]), RunID=np.array([0, 1, 1])))
    source = open_phase_space(tmp_path / "a.npy")
    assert source.read(0, 3).is_new_history.tolist() == [True, True, True]
    np.save(tmp_path / "a.npy", named(EventID=np.array([5, 5, 6])))
    source = open_phase_space(tmp_path / "a.npy")
    assert source.read(0, 3).is_new_history.tolist() == [True, False, True]
    assert source.read(1, 3).is_new_history.tolist() == [False, True]
    assert source.take(np.array([2, 1, 0])).is_new_history.tolist() == [True, False, True]


def test_names_of_gate_fit(tmp_path):
    array = named()
    stems = ["KineticEnergy", *(f"PrePosition_{a}" for a in "XYZ"), *(f"PreDirection_{a}" for a in "XYZ")]
    array.dtype.names = tuple(stems)
    np.save(tmp_path / "a.npy", array)
    check(open_phase_space(tmp_path / "a.npy").read(0, 9))


def test_directions_are_brought_to_length_one_without_dz_too(tmp_path):
    table = TABLE.copy()
    table[:, 4:] *= 2
    np.save(tmp_path / "a.npy", table)
    check(open_phase_space(tmp_path / "a.npy").read(0, 9))
    array = np.zeros(3, [(name, "<f4") for name in NAMES[:-1]])
    for n, name in enumerate(NAMES[:-1]):
        array[name] = TABLE[:, n]
    np.save(tmp_path / "a.npy", array)
    source = open_phase_space(tmp_path / "a.npy")
    assert source.read(0, 9).w.tolist() == pytest.approx([0.8, 0.6, 1.0])
    assert any("taken as positive" in note for note in source.notes)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, beam=named())
    check(open_phase_space(path).read(0, 9))
    save(path, **{name: TABLE[:, n] for n, name in enumerate(NAMES)}, length_unit="cm", histories=77)
    source = open_phase_space(path)
    check(source.read(0, 9), 1.0, None)
    assert source.histories == 77
    assert not any("taken as cm" in note for note in source.notes)
    check(open_phase_space(path, unit="mm").read(0, 9))
    save(path, TABLE)
    check(open_phase_space(path).read(0, 9))


def test_archives_are_mapped_unless_compressed(tmp_path):
    np.savez(tmp_path / "a.npz", beam=named())
    assert isinstance(open_phase_space(tmp_path / "a.npz").records._columns["X"].base, np.memmap)


def test_3e9_rows_of_a_sparse_file(tmp_path):
    np.save(tmp_path / "a.npy", np.tile(TABLE, (400, 1)))
    count = 3_000_000_000
    data = (tmp_path / "a.npy").read_bytes().replace(b"(1200, 7), }      ", b"(3000000000, 7), }")
    with (tmp_path / "a.npy").open("wb") as file:
        file.write(data)
        file.truncate(128 + count * 56)
    source = open_phase_space(tmp_path / "a.npy")
    assert source.count == count
    check(source.read(0, 3))
    assert len(source.take(np.array([0, count - 1]))) == 2


def _cut(data: bytes) -> bytes:
    return data[:-40]


@pytest.mark.parametrize(
    ("array", "change", "words"),
    [
        (named(), _cut, "cut off"),
        (named()[["Ekine", "X", "dX", "dY"]], None, 'no column "Y"'),
        (np.zeros((3, 5)), None, "holds an array of shape"),
        (np.zeros((0, 7)), None, "holds no particles"),
        (np.zeros((300, 7)), None, "no known particle"),
        (np.full((300, 7), np.nan), None, "no known particle"),
        (np.array(1.0), None, "holds an array of shape"),
        (np.array(["a"] * 7).reshape(1, 7), None, "holds an array of shape"),
        (named(), lambda data: data.replace(b"descr", b"decsr"), "its header is none"),
        (named(), lambda data: data.replace(b"(3,)", b"(-3,"), "its header is none"),
        (named(), lambda data: data.replace(b"(3,)", b"(9,)"), "cut off"),
        (named(), lambda data: data[:8], "its header is none"),
    ],
)
def test_what_is_refused(tmp_path, array, change, words):
    path = tmp_path / "a.npy"
    np.save(path, array)
    if change:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=words) as caught:
        open_phase_space(path)
    assert "\n" not in str(caught.value)


def test_pickles_are_never_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was read",))

    evil = np.array([Evil()], dtype=object)
    for name, save in (("a.npy", np.save), ("b.npz", np.savez), ("c.npz", np.savez_compressed)):
        save(tmp_path / name, evil, allow_pickle=True)
        with pytest.raises(InputError):
            open_phase_space(tmp_path / name)


def test_archives_that_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, beam=named())
    whole = path.read_bytes()
    for length in (30, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut off or damaged"):
            open_phase_space(path)
    np.savez(path, X=np.zeros(3), Y=np.zeros(4), Ekine=np.ones(3), dX=np.zeros(3), dY=np.zeros(3))
    with pytest.raises(InputError, match="of different lengths"):
        open_phase_space(path)
    np.savez(path, a=np.array("words"))
    with pytest.raises(InputError, match="no table and no columns"):
        open_phase_space(path)


@pytest.mark.parametrize("writer", [NpyWriter, NpzWriter])
def test_what_is_written_is_opened_by_numpy(tmp_path, writer):
    particles = some_particles(300)
    path = tmp_path / ("b.npy" if writer is NpyWriter else "b.npz")
    mine = writer(path, FileFacts("a title", 4321, extras=(("ZLAST", "float32"), ("LATCH", "int32"))))
    mine.write(particles.select(slice(0, 100)))
    mine.write(particles.select(slice(100, 300)))
    assert mine.close() == (path,)
    assert list(tmp_path.iterdir()) == [path]
    loaded = np.load(path)
    array = loaded if writer is NpyWriter else loaded["particles"]
    assert array.shape == (300,)
    assert array.dtype.itemsize == 4 * len(array.dtype.names), "views as a table of float32"
    for name, values in {"X": particles.x, "Y": particles.y, "Z": particles.z}.items():
        assert np.allclose(array[name], 10 * values.astype(np.float64), rtol=1e-7), "mm"
    pairs = {"Ekine": "energy", "dX": "u", "dY": "v", "dZ": "w", "Weight": "weight", "NewHistory": "is_new_history"}
    for name, own in pairs.items():
        assert np.array_equal(array[name], getattr(particles, own).astype(np.float32))
    assert np.array_equal(array["PDGCode"], np.array([0, 22, 11, -11, 2112, 2212])[particles.species])
    assert np.array_equal(array["LATCH"], particles.extras["LATCH"])
    assert np.array_equal(array["ZLAST"], particles.extras["ZLAST"])
    if writer is NpzWriter:
        assert (int(loaded["histories"]), str(loaded["length_unit"]), str(loaded["title"])) == (4321, "mm", "a title")


def test_the_header_of_npy_by_struct(tmp_path):
    writer = NpyWriter(tmp_path / "b.npy", FileFacts())
    writer.write(some_particles(7))
    data = writer.close()[0].read_bytes()
    magic, major, minor, length = struct.unpack("<6sBBH", data[:10])
    assert (magic, major, minor) == (b"\x93NUMPY", 1, 0)
    assert (10 + length) % 64 == 0
    assert data[9 + length : 10 + length] == b"\n"
    assert len(data) == 10 + length + 7 * 40


def test_what_npz_leaves_out_when_it_fails(tmp_path):
    writer = NpzWriter(tmp_path / "b.npz", FileFacts())
    particles = some_particles(5)
    particles.species[0] = 9
    with pytest.raises(InputError, match="no known species"):
        writer.write(particles)
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["b.npz"]
