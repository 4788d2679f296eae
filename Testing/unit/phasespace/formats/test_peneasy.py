"""penEasy: lines made by str are read, lines written are taken apart by str.split."""

from __future__ import annotations

import numpy as np
import pytest
from builders.format_builder import ROWS, check_rows, peneasy_file
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats import text
from Dose3DLib.phasespace.formats.losses import losses
from Dose3DLib.phasespace.formats.peneasy import PeneasyWriter
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts, open_writer


def test_lines_are_read(tmp_path):
    source = open_phase_space(peneasy_file(tmp_path / "beam.dat"))
    assert (source.kind, source.count) == ("penEasy", 4)
    assert source.histories == 7, "the sum of DeltaN: 1, 0, 4, 2"
    particles = source.read(0, 9)
    check_rows(particles)
    assert particles.extras["incremental history"].tolist() == [1, 0, 4, 2]
    assert [particles.extras[f"ILB{n}"][0] for n in range(1, 6)] == [1, 2, 3, 4, 5]
    assert source.notes == ()


def test_the_order_of_columns_before_2008(tmp_path):
    source = open_phase_space(peneasy_file(tmp_path / "beam.dat", old=True))
    particles = source.read(0, 9)
    check_rows(particles)
    assert source.histories == 7
    assert [particles.extras[f"ILB{n}"][0] for n in range(1, 6)] == [1, 2, 3, 4, 5]


def test_without_a_first_line_fifteen_numbers_tell_it(tmp_path):
    path = peneasy_file(tmp_path / "beam.txt", first="# somebody's own words")
    assert open_phase_space(path).kind == "penEasy"
    lines = path.read_text().splitlines()[1:]
    path.write_text("\n".join(lines) + "\n")
    check_rows(open_phase_space(path).read(0, 9))


def test_comments_and_blank_lines_between(tmp_path):
    path = peneasy_file(tmp_path / "beam.dat")
    lines = path.read_text().splitlines()
    path.write_text("\r\n".join([*lines[:3], "# a break", "", *lines[3:]]) + "\r\n")
    source = open_phase_space(path)
    check_rows(source.read(0, 9))
    assert source.count == 4


def test_blocks_end_anywhere(tmp_path, monkeypatch):
    """Blocks of a few lines: any part of the file is the same."""
    path = peneasy_file(tmp_path / "beam.dat", ROWS * 25)
    monkeypatch.setattr(text, "PIECE", 300)
    source = open_phase_space(path)
    assert source.count == 100
    assert source.histories == 175
    check_rows(source.read(0, 100), ROWS * 25)
    check_rows(source.read(37, 61), (ROWS * 25)[37:61])
    check_rows(source.take(np.array([99, 0, 50, 50])), [(ROWS * 25)[n] for n in (99, 0, 50, 50)])
    assert len(source.read(100, 200)) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 1e6 0 0 0 0 0 1 1 1 0 0 0 0", "line 7 does not"),
        ("2 1e6 0 0 0 0 0 1 1 1 0 0 0 0 0 0", "line 7 does not"),
        ("2 1e6 0 0 zero 0 0 1 1 1 0 0 0 0 0", "line 7 does not"),
        ("\0\0\0\0", "line 7 does not"),
    ],
)
def test_lines_that_are_refused(tmp_path, line, words):
    path = peneasy_file(tmp_path / "beam.dat")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=words) as caught:
        open_phase_space(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_off(tmp_path):
    path = peneasy_file(tmp_path / "beam.dat")
    path.write_text(path.read_text()[:-30])
    source = open_phase_space(path)
    check_rows(source.read(0, 9), ROWS[:3])
    assert any("ends within a line" in note for note in source.notes)


def test_nonsense_is_told(tmp_path):
    good = peneasy_file(tmp_path / "beam.dat", ROWS * 100).read_text()
    (tmp_path / "beam.dat").write_text(good + "9 nan 0 0 0 0 0 1 1 1 0 0 0 0 0\n2 1e400 0 0 0 0 0 1 1 1 0 0 0 0 0\n")
    assert any("2 of the first 402 records" in note for note in open_phase_space(tmp_path / "beam.dat").notes)
    (tmp_path / "beam.dat").write_text("# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]\n# KPAR\n")
    with pytest.raises(InputError, match="holds no particles"):
        open_phase_space(tmp_path / "beam.dat")


@pytest.mark.parametrize("histories", [None, 5000])
def test_what_is_written_by_split(tmp_path, histories):
    particles = some_particles(300, species=(1, 2, 3, 5))
    del particles.extras["incremental history"]
    particles.extras.update({f"ILB{n}": np.full(300, n * 100_000, np.int32) for n in range(1, 6)})
    writer = PeneasyWriter(tmp_path / "b.dat", FileFacts(histories=histories))
    writer.write(particles.select(slice(0, 0)))
    writer.write(particles.select(slice(0, 100)))
    writer.write(particles.select(slice(100, 300)))
    (path,) = writer.close()
    first, second, *lines = path.read_text().splitlines()
    assert first == "# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]"
    assert second == "# KPAR : E : X : Y : Z : U : V : W : WGHT : DeltaN : ILB(1..5)"
    assert len(lines) == 300
    for n, line in enumerate(lines):
        kind, energy, *numbers = line.split()
        assert {1: 2, 2: 1, 3: 3, 4: 5}[int(kind)] == particles.species[n]
        assert float(energy) == pytest.approx(1e6 * float(particles.energy[n]), rel=1e-8)
        names = ("x", "y", "z", "u", "v", "w", "weight")
        assert [np.float32(value) for value in numbers[:7]] == [getattr(particles, name)[n] for name in names]
        assert numbers[8:] == [str(k * 100_000) for k in range(1, 6)]
    delta = [int(line.split()[9]) for line in lines]
    assert sum(delta) == (histories or particles.is_new_history.sum()), "empty histories stand before the first record"
    assert delta[1:] == particles.is_new_history[1:].astype(int).tolist()


def test_increments_are_kept_where_histories_start(tmp_path):
    particles = some_particles(300, species=(1,))
    writer = PeneasyWriter(tmp_path / "b.dat", FileFacts())
    writer.write(particles)
    writer.close()
    back = open_phase_space(tmp_path / "b.dat").read(0, 300)
    wanted = np.where(particles.is_new_history, np.maximum(particles.extras["incremental history"], 1), 0)
    assert (back.extras["incremental history"] == wanted).all()
    assert (back.is_new_history == particles.is_new_history).all()


def test_flags_of_penelope_from_an_iaea_file(tmp_path):
    """The reader of IAEA files numbers the second of a name."""
    source = open_phase_space(peneasy_file(tmp_path / "a.dat"))
    facts = FileFacts(histories=7, extras=tuple((f"ILB{n}", "int32") for n in range(1, 6)))
    with open_writer(tmp_path / "b.IAEAphsp", facts) as writer:
        writer.write(source.read(0, 4))
    particles = open_phase_space(tmp_path / "b.IAEAphsp").read(0, 4)
    facts = FileFacts(histories=7, extras=tuple((name, "int32") for name in particles.extras))
    assert losses("peneasy", facts) == ()
    with open_writer(tmp_path / "c.dat", facts) as writer:
        writer.write(particles)
    assert [line.split()[-5:] for line in (tmp_path / "c.dat").read_text().splitlines()[2:]] == [list("12345")] * 4


def test_directions_of_few_digits_are_brought_to_length_one(tmp_path):
    path = peneasy_file(tmp_path / "a.dat", ())
    path.write_text(path.read_text() + "2 1e6 0 0 0 0.577 0.577 0.577 1 1 0 0 0 0 0\n" * 20)
    particles = open_phase_space(path).read(0, 20)
    assert particles.w[3] == pytest.approx(3**-0.5, abs=1e-7)
    path.write_text(path.read_text() + "2 1e6 0 0 0 0 0 0 1 1 0 0 0 0 0\n")
    assert any("1 of the first 21" in note for note in open_phase_space(path).notes)


def test_neutrons_are_refused(tmp_path):
    with pytest.raises(InputError, match="and there are others"):
        PeneasyWriter(tmp_path / "b.dat", FileFacts()).write(some_particles(5, species=(4,)))


def test_every_float32_comes_back_from_nine_digits():
    """All exponents, the ends of each power of ten, zeros of both signs, and what is no number."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    powers = np.array([sign * base * 10.0**n for n in range(-44, 38) for base in (1, 0.99999999, 9.9999999)
                       for sign in (1, -1)], np.float32)  # fmt: skip
    values = np.concatenate([bits, powers, np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 3.4e38], np.float32)])
    letters = text.scientific(values)
    back = np.array([float(bytes(row)) for row in letters], np.float64).astype(np.float32)
    assert np.array_equal(back, values, equal_nan=True)
    assert {len(bytes(row).split()) for row in letters} == {1}


def test_whole_numbers_and_lines():
    letters = text.whole(np.array([7, -12, 0, 2**40]))
    assert [bytes(row).strip() for row in letters] == [b"7", b"-12", b"0", b"1099511627776"]
    assert text.lines_of([letters[:2], text.whole(np.array([1, 22]))]) == b"            7  1\n          -12 22\n"
    assert text.lines_of([letters[:0]]) == b""
