"""What `dose3d dose scale` writes: the dose, and the folder of its report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError, ResourceError
from ..core.json_file import write_json
from ..core.progress import Progress
from ..core.provenance import make_provenance
from ..geometry.crop import uncrop
from ..geometry.grid import Volume
from ..geometry.volume_files import RawImage, image_suffix, write_raw_image, write_volume

if TYPE_CHECKING:
    from ..dicom.rtdose_write import RoiDvh
    from ..dose.scaling import Scaled
    from .dose_scale import Settings
    from .scale_source import Study

__all__ = ["figures_of", "provenance_of", "write_dose", "write_json", "write_report_folder"]

_DOSE_KEYS = {"DicomRtImport.DoseVolume": "1", "DicomRtImport.DoseUnitName": "Gy", "units": "Gy"}
"""By the first two SlicerRT knows a dose; NRRD and MetaImage carry them."""
_DVH_STEP_GY = 0.1
_MISSES = 3.0
"""A cell that the dose misses by more than so many standard deviations is named."""


def write_dose(study: Study, found: Scaled, path: Path, progress: Progress) -> None:
    """On the whole grid; 0 where no cell tells anything, which the warnings and the report say."""
    volume = uncrop(found.dose, study.source.grid, study.block)
    share = 1 - found.dose.size / np.prod(study.source.grid.shape)
    if share > 0:
        progress.warn(
            f"{100 * share:.3g} % of the grid lies more than 24 mm beyond the cells: the dose is unknown there, and "
            "written as 0."
        )
    if image_suffix(path):
        write_raw_image(RawImage(volume.array, volume.grid, dict(_DOSE_KEYS)), path)
    else:
        _write_rtdose(study, volume, path, progress)


def _write_rtdose(study: Study, volume: Volume, path: Path, progress: Progress) -> None:
    from ..dicom.references import plan_uid_of, sop_instance_uid
    from ..dicom.rtdose_write import RtDoseAttributes, write_rtdose

    if study.source.header is None:
        cause = "is an image file, and an RTDOSE needs patient and study"
        raise InputError(study.source.facts.get("path", "--grid"), cause, "give a DICOM CT or RTDOSE, or write .nrrd")
    plan = "" if study.plan_path is None or image_suffix(study.plan_path) else plan_uid_of(study.plan_path)
    path_of_structures = study.structures_path
    structures = (
        "" if path_of_structures is None or path_of_structures.is_dir() else sop_instance_uid(path_of_structures)
    )
    attributes = RtDoseAttributes(
        bits=16,
        plan_uid=plan,
        structures_uid=structures,
        dvhs=_dvhs(study, volume) if structures else (),
        series_description="Dose from detector cells",
        comment="From the means over a detector's cells. Research use only.",
        provenance="dose3d dose scale. Research use only.",
    )
    for note in write_rtdose(volume, path, study.source.header, attributes).notes:
        progress.warn(note)


def _dvhs(study: Study, volume: Volume) -> tuple[RoiDvh, ...]:
    """Of the structures that lie in the cells' region as a whole; in the rest nothing is known of some voxels."""
    from ..dicom.rtdose_write import RoiDvh

    grid, found = study.problem.grid, []
    dose = volume.array[study.block]
    edges = _DVH_STEP_GY * np.arange(int(dose.max() / _DVH_STEP_GY) + 2)
    for one in study.problem.structures or ():
        mask = one.mask.to_array()
        cut = any(np.take(mask, (0, -1), axis=a).any() for a in range(3))
        if one.number is None or one.mask.is_empty or cut:
            continue
        below = np.searchsorted(np.sort(dose[mask]), edges - 1e-9)
        volumes = (one.mask.voxels - below) * grid.voxel_volume_mm3 / 1000.0
        found.append(RoiDvh(one.number, _DVH_STEP_GY, tuple(float(v) for v in volumes)))
    return tuple(found)


def write_report_folder(
    study: Study, found: Scaled, folder: Path, provenance: dict[str, Any], progress: Progress
) -> None:
    """report.html, maps, cells, samples and the scene; provenance.json is the task's."""
    with progress.stage("maps", 0.92):
        _write_maps(study, found, folder)
        write_cells(study, found, folder / "cells.csv")
    with progress.stage("scene", 0.96):
        _write_scene(study, found, folder, progress)
    with progress.stage("report", 1.0):
        from .scale_report import write_report

        write_report(study, found, folder / "report.html", provenance)


def _write_maps(study: Study, found: Scaled, folder: Path) -> None:
    grid, block = study.source.grid, study.block
    write_volume(uncrop(found.half_width, grid, block, np.nan), folder / "half_width_95.nrrd")
    write_volume(uncrop(found.unseen, grid, block, 1.0), folder / "not_seen.nrrd")
    if study.problem.plan is not None:
        difference = found.dose - study.problem.plan.array
        write_volume(uncrop(difference, grid, block, np.nan), folder / "difference_from_plan.nrrd")
    if found.samples:
        (folder / "samples").mkdir()
    for number, dose in enumerate(found.samples, 1):
        volume = uncrop(dose, grid, block)
        path = folder / "samples" / f"dose_{number:03d}.nrrd"
        write_raw_image(RawImage(volume.array, volume.grid, dict(_DOSE_KEYS)), path)


def cell_rows(study: Study, found: Scaled) -> list[dict[str, Any]]:
    """A row a cell: measured, what the dose gives there, and what is to say of it."""
    rows = []
    for a, (path, readings) in enumerate(zip(study.paths, study.readings, strict=True)):
        values, sd = found.problem.values[a], found.problem.sd[a]
        fitted = found.problem.operators[a].apply(found.dose)
        outside = set(() if found.body is None else found.body.contradicting[a].tolist())
        for n, label in enumerate(readings.cells.labels):
            away = (fitted[n] - values[n]) / sd[n]
            notes = ["no value"] if not np.isfinite(values[n]) else []
            notes += ["not in the grid"] if not np.isfinite(fitted[n]) else []
            notes += ["dose outside the body"] if n in outside else []
            notes += ["missed"] if abs(away) > _MISSES else []
            rows.append({"file": path.name, "cell": label, "measured": values[n], "sd": sd[n], "fitted": fitted[n],
                         "deviation": away, "notes": ", ".join(notes)})  # fmt: skip
    return rows


def write_cells(study: Study, found: Scaled, path: Path) -> None:
    """CSV of `cell_rows`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "cell", "measured_gy", "sd_gy", "dose_gy", "deviation_sd", "notes"])
        for row in cell_rows(study, found):
            numbers = [row[key] for key in ("measured", "sd", "fitted", "deviation")]
            texts = ["" if not np.isfinite(v) else f"{v:.6g}" for v in numbers]
            writer.writerow([row["file"], row["cell"], *texts, row["notes"]])


def _write_scene(study: Study, found: Scaled, folder: Path, progress: Progress) -> None:
    from ..dose.colors import DoseColors
    from ..dose.levels import make_levels
    from ..scene.dose_nodes import DoseLook, Isodose
    from ..scene.dose_scene import DoseScene, write_dose_scene
    from ..scene.nodes import ScenePatient

    volume = uncrop(found.dose, study.source.grid, study.block)
    top = float(volume.array.max())
    levels, _, colors = make_levels((), False, top, top)
    table = (colors or DoseColors((), top)).table(np.linspace(0.0, top, 256))
    patient = study.source.patient
    at = np.unravel_index(int(volume.array.argmax()), volume.array.shape)
    center = tuple(float(mm) for mm in volume.grid.to_lps(np.array(at[::-1])))
    content = DoseScene(
        volume,
        DoseLook(table, 0.0, top, levels[0].dose),
        [Isodose(level.dose, level.label, level.color) for level in levels],
        "Dose from detector cells",
        center,
        ScenePatient(patient.get("name", ""), patient.get("id", ""), patient.get("study", ""), ""),
        study.source.ct,
    )
    try:
        write_dose_scene(folder / "scene.mrb", content)
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error.cause}; {error.remedy}")


def provenance_of(settings: Settings, study: Study, found: Scaled, progress: Progress) -> dict[str, Any]:
    """The record beside dose and report."""
    facts = {key: value for key, value in figures_of(study, found).items()}
    model = {"model": found.model} if found.model else {}
    return make_provenance(
        "dose scale", settings.to_dict(), progress, inputs=study.facts, seed=settings.seed, found=facts, **model
    )


def figures_of(study: Study, found: Scaled) -> dict[str, Any]:
    """What is printed."""
    from ..dose.null_space import SEEN_BELOW, seen_volume_share

    inside = found.problem.inside
    seen = inside & (found.unseen < SEEN_BELOW)
    known = sum(int(found.problem.known(a).sum()) for a in range(len(study.readings)))
    figures: dict[str, Any] = {
        "cells": f"{known} with a value, of {sum(map(len, study.readings))} in {len(study.readings)} acquisition(s)",
        "highest dose": f"{float(found.dose.max()):.4g} Gy",
        "mean half-width of the 95 % band": (
            f"{float(found.half_width[seen].mean()):.3g} Gy where the cells see"
            if seen.any()
            else "the cells see nothing"
        ),
        "seen by the cells": f"{100 * seen_volume_share(found.unseen, inside):.3g} % of the volume around them",
        "misfit of cells": f"{found.misfit:.2g} sd (before the projection {found.misfit_before:.2g})",
        "physical step": study.step,
    }
    if found.weight_mm2 is not None:
        figures["weight of smoothness"] = f"{found.weight_mm2:g} mm2"
    if found.plan is not None:
        figures["plan trusted"] = (
            f"{100 * float(found.plan.trust[inside].mean()):.3g} % (cells held back were missed by "
            f"{found.plan.with_plan:.3g} Gy with it, {found.plan.without:.3g} Gy without)"
        )
    return figures
