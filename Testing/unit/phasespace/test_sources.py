"""Source files of GATE 10, TOPAS and EGSnrc: parsed here as the codes read them, against the file they are about."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.photon_model_builder import FakePhotonModel
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.generate import Order, header_facts, write_photons
from Dose3DLib.phasespace.sources import CODES, SourceFacts, missing_codes, source_paths, source_texts
from Dose3DLib.phasespace.write import FORMATS, open_writer

COUNT, HISTORIES = 300, 750
ENDINGS = {"iaea": "b.IAEAphsp", "egs-mode0": "b.egsphsp1", "egs-mode2": "b.egsphsp1", "topas": "b.phsp",
           "topas-ascii": "b.phsp", "topas-limited": "b.phsp", "root": "b.root", "npy": "b.npy"}  # fmt: skip


def facts_of(format: str, **changes: object) -> SourceFacts:
    records = Path(changes.pop("name", ENDINGS[format]))
    values = {"particles": COUNT, "histories": HISTORIES, "plane_cm": 27.0, "photons_only": True, "title": "A test"}
    return SourceFacts(records, format, **{**values, **changes})


def text_of(code: str, format: str, **changes: object) -> str:
    return source_texts(facts_of(format, **changes))[code]


def write(folder: Path, format: str) -> Path:
    """The file itself, by the real writer."""
    model, order = FakePhotonModel(), Order(COUNT, 1)
    path = folder / ENDINGS[format]
    with open_writer(path, header_facts(model, order), format) as writer:
        write_photons(model, order, writer, None, Progress())
    return path


# ---------------------------------------------------------------- TOPAS
UNITS = {"d": r"-?[\d.]+ (cm|deg)", "s": r'"[^"]*"', "b": r'"(True|False)"', "i": r"\d+"}


def topas_parameters(text: str) -> dict[str, str]:
    """Type-checked `type:name = value` lines; comments start with #."""
    found = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if line:
            kind, name, value = re.fullmatch(r"(\w+):(\S+) = (.+)", line).groups()
            assert re.fullmatch(UNITS[kind], value), line
            found[name] = value.strip('"')
    return found


@pytest.mark.parametrize("format", ["topas", "topas-ascii", "topas-limited"])
def test_topas_finds_file_and_header_by_the_name(tmp_path, format):
    path = write(tmp_path, format)
    found = topas_parameters(text_of("TOPAS", format))
    assert found["So/PhaseSpace/Type"] == "PhaseSpace"
    stem = tmp_path / found["So/PhaseSpace/PhaseSpaceFileName"]
    assert stem.with_name(f"{stem.name}.phsp") == path
    header = stem.with_name(f"{stem.name}.header").read_text("utf-8")
    assert re.search(rf"(Number of Original Histories: |\$ORIG_HISTORIES:\n){HISTORIES}\b", header)


def test_topas_has_a_component_that_exists_and_carries_units():
    found = topas_parameters(text_of("TOPAS", "topas"))
    component = found["So/PhaseSpace/Component"]
    assert found[f"Ge/{component}/Type"] == "Group"
    assert found[f"Ge/{component}/Parent"] == "World"
    assert found[f"Ge/{component}/TransZ"] == "0. cm"  # the file's z counts from the source already
    assert found[f"Ge/{component}/RotX"] == "0. deg"


def test_topas_runs_each_particle_once():
    found = topas_parameters(text_of("TOPAS", "topas"))
    assert found["So/PhaseSpace/PhaseSpaceMultipleUse"] == "1"
    assert found["So/PhaseSpace/PhaseSpaceIncludeEmptyHistories"] == "False"
    assert f"Original histories: {HISTORIES}." in text_of("TOPAS", "topas")


def test_topas_is_told_of_its_limit():
    assert "at most 1e9" in text_of("TOPAS", "topas", particles=10**9 + 1)
    assert "at most 1e9" not in text_of("TOPAS", "topas", particles=10**9)


def test_a_quote_in_the_name_is_refused():
    with pytest.raises(InputError, match="TOPAS cannot read.*choose another output"):
        source_texts(facts_of("topas", name='a"b.phsp'))


# ---------------------------------------------------------------- EGSnrc
def egs_blocks(text: str) -> dict:
    """The egs++ input: `:start x:` ... `:stop x:` nested, `key = value`; a list of the blocks of a name."""
    stack: list[dict] = [{}]
    for line in (line.partition("#")[0].strip() for line in text.splitlines()):
        if match := re.fullmatch(r":start (.+):", line):
            stack[-1].setdefault(match[1], []).append({"its name": match[1]})
            stack.append(stack[-1][match[1]][-1])
        elif match := re.fullmatch(r":stop (.+):", line):
            assert stack.pop()["its name"] == match[1]
        elif len(stack) > 1 and line:
            key, value = re.fullmatch(r"(.+?) = (.+)", line).groups()
            stack[-1][key] = value
    assert len(stack) == 1
    return stack[0]["source definition"][0]


def bare_lines(text: str) -> list[str]:
    """Lines of the codes in Mortran: neither comments nor blocks."""
    outside = re.sub(r":start source definition:.*:stop source definition:\n", "", text, flags=re.S)
    return [line for line in outside.splitlines() if line and not line.startswith("#")]


def numbers(line: str) -> list[float]:
    return [float(word) for word in line.split(",") if re.fullmatch(r"\s*-?[\d.]+\s*", word)]


def test_egspp_reads_the_iaea_file_by_its_base_name(tmp_path):
    path = write(tmp_path, "iaea")
    definition = egs_blocks(text_of("EGSnrc", "iaea"))
    source = next(one for one in definition["source"] if one["name"] == definition["simulation source"])
    assert source["library"] == "iaea_phsp_source"
    base = source["iaea phase space file"]
    assert path == tmp_path / f"{base}.IAEAphsp"
    assert (tmp_path / f"{base}.IAEAheader").is_file()
    assert source["particle type"] == "all"


@pytest.mark.parametrize("format", ["egs-mode0", "egs-mode2"])
def test_egspp_moves_the_other_formats_to_their_plane(tmp_path, format):
    """egs_phsp_source puts everything at z = 0."""
    path = write(tmp_path, format)
    definition = egs_blocks(text_of("EGSnrc", format, plane_cm=31.5))
    moved = next(one for one in definition["source"] if one["name"] == definition["simulation source"])
    assert moved["library"] == "egs_transformed_source"
    assert [float(word) for word in moved["transformation"][0]["translation"].split()] == [0, 0, 31.5]
    inner = next(one for one in definition["source"] if one["name"] == moved["source name"])
    assert inner["library"] == "egs_phsp_source"
    assert tmp_path / inner["phase space file"] == path


@pytest.mark.parametrize(("format", "distance", "mode"), [("iaea", 100, 0), ("egs-mode0", 73, 0), ("egs-mode2", 73, 2)])
def test_dosxyznrc_has_the_distance_that_the_format_means(format, distance, mode):
    """From the source to the isocentre for IAEA, from the plane for EGSnrc's own; phicol 180 keeps x and y."""
    beam, energy, name = bare_lines(text_of("EGSnrc", format))[-3:]
    assert numbers(beam) == [2, 2, 0, 0, 0, 180, 0, distance, 180, 0, 0, 0, 0, 0]
    assert numbers(energy)[:2] == [2, mode]
    assert len(numbers(energy)) == 8
    assert name == ENDINGS[format]


def test_beamnrc_source_21():
    card, name = bare_lines(text_of("EGSnrc", "iaea"))[:2]
    assert numbers(card) == [9, 21, 1, 0, 0, 0, 0, 0, 0, 0]
    assert name == "b.IAEAphsp"


def test_egsnrc_needs_the_ending_that_its_library_knows(tmp_path):
    path = tmp_path / "b.phsp"
    assert "EGSnrc" not in source_paths(path, "iaea")
    assert "EGSnrc (end the output in .IAEAphsp)" in missing_codes(path, "iaea")


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(InputError, match="longer name than EGSnrc reads"):
        source_texts(facts_of("iaea", name="a" * 250 + ".IAEAphsp"))


# ---------------------------------------------------------------- GATE
class FakeSimulation:
    def add_source(self, kind: str, name: str) -> SimpleNamespace:
        self.added = (kind, name)
        return SimpleNamespace()


def gate_source(folder: Path, **changes: object) -> tuple[SimpleNamespace, FakeSimulation, dict]:
    """Run the source file as Python, as a user of opengate does."""
    path = source_paths(folder / ENDINGS["root"], "root")["GATE 10"]
    path.write_text(text_of("GATE 10", "root", **changes), "utf-8")
    space: dict = {"__file__": str(path), "__name__": "a_source"}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), space)
    simulation = FakeSimulation()
    return space["add_source"](simulation), simulation, space


def test_gate_reads_the_tree_in_mm(tmp_path):
    uproot = pytest.importorskip("uproot")
    path = write(tmp_path, "root")
    source, simulation, space = gate_source(tmp_path)
    assert simulation.added[0] == "PhaseSpaceSource"
    assert Path(source.phsp_file) == path
    assert source.n == COUNT
    assert source.global_flag is True
    assert source.particle == "gamma"
    assert space["ORIGINAL_HISTORIES"] == HISTORIES
    with uproot.open(path) as file:
        tree = file[file.keys()[0]].arrays(library="np")  # the first one, as opengate does
    photons = FakePhotonModel().tensor(COUNT, 1).numpy()
    assert tree[source.position_key_x] == pytest.approx(10 * photons[:, 0], rel=1e-5)
    assert tree[source.position_key_y] == pytest.approx(10 * photons[:, 1], rel=1e-5)
    assert (tree[source.position_key_z] == 270).all()
    for column, key in ((2, "direction_key_x"), (3, "direction_key_y"), (4, "direction_key_z"), (5, "energy_key")):
        assert tree[getattr(source, key)] == pytest.approx(photons[:, column], rel=1e-5)
    assert tree[source.weight_key] == pytest.approx(0.1)
    assert (tree[source.PDGCode_key] == 22).all()


def test_gate_takes_the_species_from_the_file_where_it_holds_others(tmp_path):
    source, _, _ = gate_source(tmp_path, photons_only=False)
    assert not hasattr(source, "particle")


def test_names_and_titles_cannot_end_the_python_text(tmp_path):
    source, _, _ = gate_source(tmp_path, name='o"""dd\' name.root', title='a """ title \\')
    assert Path(source.phsp_file).name == 'o"""dd\' name.root'


# ---------------------------------------------------------------- which code reads what
def test_each_code_reads_formats_that_can_be_written():
    for code in CODES.values():
        assert set(code.formats) <= set(FORMATS)


def test_what_no_code_reads_gets_no_source_but_advice(tmp_path):
    assert source_texts(facts_of("npy")) == {}
    advice = missing_codes(tmp_path / "b.npy", "npy")
    assert advice == "GATE 10 (choose --format root), TOPAS (choose --format topas), EGSnrc (choose --format iaea)"


@pytest.mark.parametrize("format", ["iaea", "topas", "root"])
def test_files_lie_beside_and_say_what_they_are(tmp_path, format):
    texts = source_texts(facts_of(format))
    paths = source_paths(tmp_path / ENDINGS[format], format)
    assert set(texts) == set(paths)
    assert len(texts) == 1
    for name, path in paths.items():
        assert path.parent == tmp_path
        assert path.name.startswith("b.")
        assert "A test" in texts[name]
        assert "Research use only" in texts[name]
        assert max(len(line) for line in texts[name].splitlines()) <= 120


@pytest.mark.parametrize(("format", "words"), [("iaea", "unknown"), ("topas", "unknown"), ("root", "not known")])
def test_unknown_histories_are_said(format, words):
    assert all(words in text for text in source_texts(facts_of(format, histories=None)).values())
