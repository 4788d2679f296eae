"""The lines that make a Monte Carlo code read a phase space: GATE 10, TOPAS, EGSnrc.

Each code has its units, its place of the plane and its normalisation; none can read all formats. Facts about the codes:
opengate's class PhaseSpaceSource (first tree of a ROOT file, mm and MeV, PDG codes); TOPAS's documentation of phase
space sources (file name without ending, frame of a component, at most 10^9 histories a run); the documentation of
EGSnrc's egs++ sources egs_phsp_source (z is 0) and iaea_phsp_source (z of the header, name without ending), of
BEAMnrc's source 21 and of DOSXYZnrc's source 2 (dsource is the distance of the plane to the isocentre for EGSnrc's
format, of the primary source for IAEA's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError

__all__ = ["CODES", "SourceFacts", "missing_codes", "source_paths", "source_texts"]

SAD_CM = 100.0
"""Distance of source and isocentre that the lines of DOSXYZnrc assume."""

_TOPAS_MOST_HISTORIES = 10**9
_EGS_LONGEST_NAME = 256


@dataclass(frozen=True)
class SourceFacts:
    """A written phase space as a source needs it.

    Parameters
    ----------
    records:
        the file of the particles, as it was asked for.
    format:
        its name in `write.FORMATS`.
    particles, histories:
        records, and the original histories that they stand for (None when unknown).
    plane_cm:
        z of all particles in the frame of the file, in which z usually counts from the primary source.
    photons_only:
        whether there is nothing else.
    title:
        what it is, one line.
    """

    records: Path
    format: str
    particles: int
    histories: int | None
    plane_cm: float
    photons_only: bool
    title: str


@dataclass(frozen=True)
class _Code:
    """A code: the formats that it reads, the first of which is the one to choose, each with the ending that its files
    must have (in this case of letters, empty for any); the ending of its source, and what is in that.
    """

    formats: Mapping[str, str]
    ending: str
    text: Callable[[SourceFacts], str]

    def reads(self, records: Path, format: str) -> bool:
        return format in self.formats and records.name.endswith(self.formats[format])


def source_paths(records: Path, format: str) -> dict[str, Path]:
    """Where the source goes of each code that reads the file: beside the records, by the name of the code."""
    return {name: records.with_name(records.stem + code.ending) for name, code in _codes(records, format).items()}


def source_texts(facts: SourceFacts) -> dict[str, str]:
    """The source of each code that reads the file, by the name of the code.

    Raises
    ------
    InputError
        a name of the file that the code's input cannot hold.
    """
    return {name: code.text(facts) for name, code in _codes(facts.records, facts.format).items()}


def missing_codes(records: Path, format: str) -> str:
    """Which codes cannot read a file, and what to choose for them; empty when all can."""
    others = []
    for name, code in CODES.items():
        if format not in code.formats:
            others.append(f"{name} (choose --format {next(iter(code.formats))})")
        elif not code.reads(records, format):
            others.append(f"{name} (end the output in {code.formats[format]})")
    return ", ".join(others)


def _codes(records: Path, format: str) -> dict[str, _Code]:
    return {name: code for name, code in CODES.items() if code.reads(records, format)}


def _gate(facts: SourceFacts) -> str:
    from .formats.root import BRANCHES

    keys = "".join(f"    source.{key} = {BRANCHES[name]!r}\n" for key, name in _GATE_KEYS.items())
    particle = '    source.particle = "gamma"\n' if facts.photons_only else ""
    return f'''"""{_headline(facts)} as a source of GATE 10 (opengate). Research use only.

Run or import this file and call add_source(simulation).
Positions in the ROOT file are mm, energies MeV: GATE's own units. The plane lies at
z = {10 * facts.plane_cm:g} mm of the world, beam along +z. z counts as in the phase space: usually from the primary
source.
{_GATE_NORMALISATION[facts.histories is None]}
GATE counts particles of each thread: with several, pass PARTICLES // threads.
"""

from pathlib import Path

PHASE_SPACE = Path(__file__).with_name({facts.records.name!r})
PARTICLES = {facts.particles}
ORIGINAL_HISTORIES = {facts.histories}


def add_source(simulation, name="phase_space", particles=PARTICLES):
    source = simulation.add_source("PhaseSpaceSource", name)
    source.phsp_file = str(PHASE_SPACE)
{keys}{particle}    source.global_flag = True
    source.n = particles
    return source
'''


_GATE_NORMALISATION = {
    False: "Divide doses by ORIGINAL_HISTORIES for the dose per primary particle.",
    True: "Original histories are not known: doses are per particle of the file only.",
}

_GATE_KEYS = {
    "position_key_x": "x",
    "position_key_y": "y",
    "position_key_z": "z",
    "direction_key_x": "u",
    "direction_key_y": "v",
    "direction_key_z": "w",
    "energy_key": "energy",
    "weight_key": "weight",
    "PDGCode_key": "species",
}
"""Setting of opengate's PhaseSpaceSource -> field of Particles whose branch it names."""


def _topas(facts: SourceFacts) -> str:
    stem = facts.records.stem
    if '"' in stem:
        raise InputError(facts.records, 'has a " in its name, which TOPAS cannot read', "choose another output")
    return f"""# {_headline(facts)} as a source of TOPAS. Research use only.
# Include it in a parameter file: includeFile = {stem}{CODES["TOPAS"].ending}
# TOPAS looks for {stem}.phsp and {stem}.header in the folder that it is started in.
# Positions are cm in the frame of the component PhaseSpaceFrame: the plane lies at z = {facts.plane_cm:g} cm, beam
# along +z; z counts as in the phase space, usually from the primary source. Move and turn the component to move and
# turn the beam.
# {_histories(facts)} Divide a Sum of TOPAS by them for the value per primary particle.
{_topas_limit(facts)}s:Ge/PhaseSpaceFrame/Type = "Group"
s:Ge/PhaseSpaceFrame/Parent = "World"
d:Ge/PhaseSpaceFrame/TransX = 0. cm
d:Ge/PhaseSpaceFrame/TransY = 0. cm
d:Ge/PhaseSpaceFrame/TransZ = 0. cm
d:Ge/PhaseSpaceFrame/RotX = 0. deg
d:Ge/PhaseSpaceFrame/RotY = 0. deg
d:Ge/PhaseSpaceFrame/RotZ = 0. deg
s:So/PhaseSpace/Type = "PhaseSpace"
s:So/PhaseSpace/Component = "PhaseSpaceFrame"
s:So/PhaseSpace/PhaseSpaceFileName = "{stem}"
i:So/PhaseSpace/PhaseSpaceMultipleUse = 1
b:So/PhaseSpace/PhaseSpaceIncludeEmptyHistories = "False"
b:So/PhaseSpace/PhaseSpacePreCheck = "True"
"""


def _topas_limit(facts: SourceFacts) -> str:
    if facts.particles <= _TOPAS_MOST_HISTORIES:
        return ""
    return f"# TOPAS runs at most 1e9 histories, this file holds {facts.particles}: write several smaller files.\n"


def _egsnrc(facts: SourceFacts) -> str:
    name = facts.records.name
    if len(name) > _EGS_LONGEST_NAME:
        raise InputError(facts.records, "has a longer name than EGSnrc reads (256)", "choose a shorter one")
    is_iaea = facts.format == "iaea"
    distance = SAD_CM if is_iaea else SAD_CM - facts.plane_cm
    return f"""# {_headline(facts)} as a source of EGSnrc. Research use only.
# Copy the lines that your code needs. Lengths cm; plane at z = {facts.plane_cm:g}, counted from the primary source.
# Give the file's whole path (at most 256 characters) where the code does not run in its folder.
# Particles: {facts.particles}. {_histories(facts)} EGSnrc divides doses by them itself.

# egs++ applications (egs_chamber, egs_app ...):
{_egspp_iaea(facts) if is_iaea else _egspp_mode(facts)}
# BEAMnrc, source 21: IQIN, ISOURC, INIT_ICM, NRCYCL, IPARALLEL, PARNUM, ISRC_DBS, RSRC_DBS, SSDSRC_DBS, ZSRC_DBS.
# Particles start at the front of component module INIT_ICM, whatever z they have; NRCYCL 0 lets the code choose.
9, 21, 1, 0, 0, 0, 0, 0, 0, 0,  IQIN, ISOURCE + OPTIONS
{name}

# DOSXYZnrc, source 2, from above: iqin, isource, xiso, yiso, ziso, theta, phi, dsource, phicol, i_dbs, r_dbs, ssd_dbs,
# z_dbs, e_split. Put your isocentre for the three zeros. dsource is the distance of
# {_egs_distance(is_iaea)}
2, 2, 0, 0, 0, 180, 0, {distance:g}, 180, 0, 0, 0, 0, 0
# enflag, mode, medsur, dsurround(1), dflag, dsurround(2 to 4). medsur 0 is vacuum around the phantom: put your air.
2, {2 if facts.format == "egs-mode2" else 0}, 0, 50, 0, 0, 0, 0
{name}
"""


def _egs_distance(is_iaea: bool) -> str:
    if is_iaea:
        return f"primary source and isocentre, {SAD_CM:g} cm here: change it for another machine."
    return f"plane and isocentre, for {SAD_CM:g} cm of primary source and isocentre: change it for another machine."


def _histories(facts: SourceFacts) -> str:
    return f"Original histories: {'unknown' if facts.histories is None else facts.histories}."


def _egspp_iaea(facts: SourceFacts) -> str:
    """The source knows its plane from the header."""
    return f""":start source definition:
    :start source:
        name = phase_space
        library = iaea_phsp_source
        iaea phase space file = {facts.records.stem}
        particle type = all
    :stop source:
    simulation source = phase_space
:stop source definition:
"""


def _egspp_mode(facts: SourceFacts) -> str:
    """The source puts all at z = 0; another one around it moves that to the plane."""
    return f""":start source definition:
    :start source:
        name = plane
        library = egs_phsp_source
        phase space file = {facts.records.name}
        particle type = all
    :stop source:
    :start source:
        name = phase_space
        library = egs_transformed_source
        source name = plane
        :start transformation:
            translation = 0 0 {facts.plane_cm:g}
        :stop transformation:
    :stop source:
    simulation source = phase_space
:stop source definition:
"""


def _headline(facts: SourceFacts) -> str:
    """File and title, safe inside comments and strings of all codes."""
    text = f"{facts.records.name} ({facts.title})"
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


CODES: Mapping[str, _Code] = {
    "GATE 10": _Code({"root": ""}, ".gate.py", _gate),
    "TOPAS": _Code(dict.fromkeys(("topas", "topas-ascii", "topas-limited"), ".phsp"), ".topas.txt", _topas),
    "EGSnrc": _Code({"iaea": ".IAEAphsp", "egs-mode2": "", "egs-mode0": ""}, ".egsnrc.txt", _egsnrc),
}
"""The codes by name."""
