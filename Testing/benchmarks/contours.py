"""RTSTRUCT in and out beside rt-utils, dcmrtstruct2nii and plastimatch: time, memory, accuracy.

    python3 run.py benchmark contours [--rows 512 --slices 186 --structures 27]

Makes a CT series and ellipsoids in a temporary folder, runs each tool in a process of its own and prints a table, which
it also writes to Testing/benchmarks/results/contours.md. Times include loading the CT's headers, and exclude starting
Python and reducing or compressing masks. Peers are taken when they are there; --install gets the Python ones into
environments of their own (in the temporary folder). Accuracy is judged by a decoder in this file that shares no code
with Dose3D: pixel centre, even-odd rule.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results") / "contours.md"
SPACING_MM, SLICE_MM = 0.98, 2.0
PEERS = {"rt-utils": ["rt-utils==1.2.7"], "dcmrtstruct2nii": ["dcmrtstruct2nii", "pydicom<3"]}


# ---------------------------------------------------------------- the patient
def make_series(folder: Path, rows: int, slices: int) -> None:
    """A CT series of noise, uncompressed, one file a slice."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True)
    series, study, frame = (generate_uid() for _ in range(3))
    noise = np.random.default_rng(0)
    for k in range(slices):
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, generate_uid(), "CT"
        ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Bench^Mark", "BENCH", "", "O"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20000101", "120000", "1", ""
        ds.ReferringPhysicianName, ds.PositionReferenceIndicator, ds.Manufacturer = "", "", "synthetic"
        ds.SeriesNumber, ds.InstanceNumber, ds.ImageType = 1, k + 1, ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.ImagePositionPatient = [-250.39, -249.41, round(-180 + k * SLICE_MM, 4)]
        ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [SPACING_MM, SPACING_MM]
        ds.SliceThickness, ds.KVP, ds.AcquisitionNumber = SLICE_MM, "120", 1
        ds.Rows = ds.Columns = rows
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
        ds.PixelData = noise.integers(-1000, 1000, (rows, rows), dtype=np.int16).tobytes()
        ds.file_meta = meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, ds.SOPInstanceUID
        pydicom.dcmwrite(folder / f"CT_{k:03d}.dcm", ds, enforce_file_format=True)


def ellipsoids(rows: int, slices: int, count: int):
    """Name and boolean block with its first voxel (k, j, i) of each structure; sizes from a lens to a lung."""
    rng = np.random.default_rng(1)
    for n in range(count):
        scale = 0.3 + 1.2 * n / max(1, count - 1)
        radii = scale * rng.uniform(0.7, 1.3, 3) * (slices / 3, rows / 18, rows / 18)
        radii = np.maximum(np.minimum(radii, ((slices - 2) / 2.2, rows / 2.2, rows / 2.2)), 1.2)
        centre = rng.uniform(radii, (slices - 1, rows - 1, rows - 1) - radii)
        low, high = np.floor(centre - radii).astype(int), np.ceil(centre + radii).astype(int) + 1
        box = zip(low, high, centre, radii, (slices, rows, rows), strict=True)
        axes = [(np.arange(max(a, 0), min(b, n)) - c) / r for a, b, c, r, n in box]
        k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
        yield f"Ellipsoid_{n + 1:02d}", k**2 + j**2 + i**2 <= 1, tuple(np.maximum(low, 0).tolist())


def full_array(block: np.ndarray, offset: tuple, shape: tuple) -> np.ndarray:
    whole = np.zeros(shape, bool)
    whole[tuple(slice(o, o + n) for o, n in zip(offset, block.shape, strict=True))] = block
    return whole


# ---------------------------------------------------------------- the tools, each in its own process
def step_ours_write(ct: Path, out: Path, size: dict) -> dict:
    from Dose3DLib.dicom.ct import read_ct_reference
    from Dose3DLib.dicom.rtstruct_write import write_rtstruct
    from Dose3DLib.geometry.grid import Grid
    from Dose3DLib.geometry.mask import Mask
    from Dose3DLib.geometry.structure import Structure, StructureSet

    blocks = list(ellipsoids(**size))
    before, clock = peak_mib(), Clock()
    reference = read_ct_reference(ct)
    load = clock.lap()
    grid = Grid(reference.grid.shape, reference.grid.affine)
    structures = [Structure(name, Mask.from_array(block, grid, offset)) for name, block, offset in blocks]
    clock.lap()
    write_rtstruct(StructureSet(grid, tuple(structures)), reference, out / "ours.dcm")
    return timings(load, clock.lap(), before)


def step_ours_read(ct: Path, out: Path, size: dict) -> dict:
    from Dose3DLib.dicom.ct import read_ct_reference
    from Dose3DLib.dicom.rtstruct import read_rtstruct

    before, clock = peak_mib(), Clock()
    reference = read_ct_reference(ct)
    load = clock.lap()
    structures = read_rtstruct(out / "ours.dcm", reference)
    found = timings(load, clock.lap(), before)
    return {**found, **agreement({s.name: (s.mask.block, s.mask.offset) for s in structures}, size)}


def step_rtutils_write(ct: Path, out: Path, size: dict) -> dict:
    from rt_utils import RTStructBuilder

    blocks = list(ellipsoids(**size))
    before, clock = peak_mib(), Clock()
    built = RTStructBuilder.create_new(dicom_series_path=str(ct))
    load, work = clock.lap(), np.zeros(2)
    for name, block, offset in blocks:
        whole = full_array(block, offset, (size["slices"], size["rows"], size["rows"]))
        mask = np.ascontiguousarray(np.moveaxis(whole, 0, 2))  # [row, column, slice], as rt-utils wants it
        clock.lap()
        built.add_roi(mask=mask, name=name)
        work += clock.lap()
    built.save(str(out / "rt-utils.dcm"))
    return timings(load, work + clock.lap(), before)


def step_rtutils_read(ct: Path, out: Path, size: dict) -> dict:
    from rt_utils import RTStructBuilder

    before, clock = peak_mib(), Clock()
    built = RTStructBuilder.create_from(dicom_series_path=str(ct), rt_struct_path=str(out / "ours.dcm"))
    load, work, masks = clock.lap(), np.zeros(2), {}
    for name in built.get_roi_names():
        clock.lap()
        mask = built.get_roi_mask_by_name(name)
        work += clock.lap()
        masks[name] = trimmed(np.moveaxis(mask, 2, 0), (0, 0, 0))
    return {**timings(load, work, before), **agreement(masks, size)}


def step_dcmrtstruct2nii_read(ct: Path, out: Path, size: dict) -> dict:
    from dcmrtstruct2nii import dcmrtstruct2nii
    from nibabel import load

    folder = out / "dcmrtstruct2nii"
    before, clock = peak_mib(), Clock()
    dcmrtstruct2nii(str(out / "ours.dcm"), str(ct), str(folder), gzip=False, convert_original_dicom=False)
    found, masks = timings(np.zeros(2), clock.lap(), before), {}
    for file in folder.glob("mask_*.nii"):
        name = file.stem.removeprefix("mask_").replace("-", "_")
        masks[name] = trimmed(np.asarray(load(file).dataobj).transpose(2, 1, 0) > 0, (0, 0, 0))
    return {**found, **agreement(masks, size)}


def step_plastimatch_read(ct: Path, out: Path, size: dict) -> dict:
    import SimpleITK

    folder, clock = out / "plastimatch", Clock()
    command = ["plastimatch", "convert", "--input", str(out / "ours.dcm"), "--referenced-ct", str(ct)]
    command += ["--prefix-format", "nrrd", "--output-prefix", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found, masks = timings(np.zeros(2), clock.lap(), 0.0), {}
    found["above_mib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for file in folder.glob("*.nrrd"):
        masks[file.stem] = trimmed(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file))) > 0, (0, 0, 0))
    return {**found, **agreement(masks, size)}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Clock:
    """Seconds of the wall and of the processor; `lap` gives those since the last one."""

    def __init__(self) -> None:
        self.lap()

    def lap(self) -> np.ndarray:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        now = np.array([time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime])
        since = now - getattr(self, "last", now)
        self.last = now
        return since


def timings(load: np.ndarray, work: np.ndarray, before_mib: float) -> dict:
    load, work = np.asarray(load).tolist(), np.asarray(work).tolist()
    return {"load_s": load[0], "work_s": work[0], "cpu_s": load[1] + work[1], "above_mib": peak_mib() - before_mib}


# ---------------------------------------------------------------- the judge
def trimmed(array: np.ndarray, offset: tuple) -> tuple[np.ndarray, tuple]:
    """The part of an array within the bounding box of its True voxels."""
    hits = [np.flatnonzero(array.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not hits[0].size:
        return np.zeros((0, 0, 0), bool), (0, 0, 0)
    box = tuple(slice(int(h[0]), int(h[-1]) + 1) for h in hits)
    return array[box].copy(), tuple(o + s.start for o, s in zip(offset, box, strict=True))


def shared_voxels(a: np.ndarray, a_offset: tuple, b: np.ndarray, b_offset: tuple) -> int:
    start = np.maximum(a_offset, b_offset)
    stop = np.minimum(np.add(a_offset, a.shape), np.add(b_offset, b.shape))
    if (stop <= start).any():
        return 0
    boxes = [tuple(slice(s - o, e - o) for s, e, o in zip(start, stop, offset, strict=True)) for offset in
             (a_offset, b_offset)]  # fmt: skip
    return int(np.count_nonzero(a[boxes[0]] & b[boxes[1]]))


def agreement(masks: dict, size: dict) -> dict:
    """Mean and largest volume error (%), mean Dice and different voxels against the ellipsoids."""
    errors, dices, different = [], [], 0
    for name, truth, offset in ellipsoids(**size):
        found, place = masks.get(name, (np.zeros((0, 0, 0), bool), (0, 0, 0)))
        wanted, got, both = int(truth.sum()), int(found.sum()), shared_voxels(truth, offset, found, place)
        errors.append(100.0 * (got - wanted) / wanted)
        dices.append(2 * both / (wanted + got))
        different += wanted + got - 2 * both
    worst = max(errors, key=abs)
    return {"error": float(np.mean(errors)), "worst": worst, "dice": float(np.mean(dices)), "different": different}


def step_judge(ct: Path, out: Path, size: dict, file: str = "ours.dcm") -> dict:
    """Decode a written file: pixel centre, even-odd over all contours of a slice, contour by contour."""
    import pydicom

    ds = pydicom.dcmread(out / file)
    names = {int(roi.ROINumber): str(roi.ROIName) for roi in ds.StructureSetROISequence}
    masks = {}
    for item in ds.ROIContourSequence:
        whole = np.zeros((size["slices"], size["rows"], size["rows"]), bool)
        for contour in item.ContourSequence:
            points = np.array([float(v) for v in bytes_of(contour).split(b"\\")]).reshape(-1, 3)
            x, y = (points[:, 0] + 250.39) / SPACING_MM, (points[:, 1] + 249.41) / SPACING_MM
            fill_even_odd(whole[round((points[0, 2] + 180) / SLICE_MM)], x, y)
        masks[names[int(item.ReferencedROINumber)]] = trimmed(whole, (0, 0, 0))
    return agreement(masks, size)


def bytes_of(contour) -> bytes:
    value = contour.get_item("ContourData").value
    return value if isinstance(value, bytes) else "\\".join(map(str, value)).encode()


def fill_even_odd(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    for row in range(max(0, int(np.ceil(y.min()))), min(len(image) - 1, int(np.floor(y.max()))) + 1):
        cut = (y > row) != (y2 > row)
        crossings = np.sort(x[cut] + (row - y[cut]) * (x2[cut] - x[cut]) / (y2[cut] - y[cut]))
        for left, right in zip(crossings[0::2], crossings[1::2], strict=True):
            image[row, max(0, int(np.ceil(left))) : max(0, int(np.ceil(right)))] ^= True


STEPS = {name.removeprefix("step_").replace("_", "-"): f for name, f in globals().items() if name.startswith("step_")}


# ---------------------------------------------------------------- running and printing
def run_step(name: str, python: str, work: Path, size: dict, extra: tuple[str, ...] = ()) -> dict | str:
    command = [python, __file__, "--step", name, "--work", str(work), "--size", json.dumps(size), *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:160]
    return json.loads(done.stdout.strip().splitlines()[-1])


def median_of(repeats: int, *arguments) -> dict | str:
    """The run with the median time; the same number of runs for every tool, or the ratio would flatter one."""
    runs = [run_step(*arguments) for _ in range(repeats)]
    good = sorted((r for r in runs if isinstance(r, dict)), key=lambda r: r["load_s"] + r["work_s"])
    return good[(len(good) - 1) // 2] if good else runs[0]


def find_peer(name: str, module: str, work: Path, install: bool, given: dict[str, str]) -> str | None:
    """The Python that can import a peer: the one given, this one, or that of a new environment."""
    if name in given:
        return given[name]
    if importlib.util.find_spec(module):
        return sys.executable
    if not install:
        return None
    home = work / f"venv-{name}"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q"]
    if name == "rt-utils":  # its own requirements pull a graphical OpenCV
        subprocess.run([*pip, "numpy", "pydicom", "opencv-python-headless"], check=True)
        pip.append("--no-deps")
    subprocess.run([*pip, *PEERS[name]], check=True)
    if name != "rt-utils":
        subprocess.run([*pip, "nibabel"], check=True)
    return str(home / "bin" / "python")


def measure(
    work: Path, size: dict, repeats: int, install: bool, given: dict[str, str]
) -> tuple[list[list[str]], list[str]]:
    rows, notes = [], []
    rt_utils = find_peer("rt-utils", "rt_utils", work, install, given)
    dcm2nii = find_peer("dcmrtstruct2nii", "dcmrtstruct2nii", work, install, given)
    plastimatch = sys.executable if shutil.which("plastimatch") else None
    results = {}
    for step, python in (
        ("ours-write", sys.executable), ("rtutils-write", rt_utils), ("ours-read", sys.executable),
        ("rtutils-read", rt_utils), ("plastimatch-read", plastimatch), ("dcmrtstruct2nii-read", dcm2nii),
    ):  # fmt: skip
        results[step] = median_of(repeats, step, python, work, size) if python else "not installed"
        print(f"  {step}: {results[step]}", file=sys.stderr)
    for step, file in (("ours-write", "ours.dcm"), ("rtutils-write", "rt-utils.dcm")):
        if isinstance(results[step], dict):
            judged = run_step("judge", sys.executable, work, size, ("--file", file))
            results[step].update(judged if isinstance(judged, dict) else {})
    for step, result in results.items():
        if isinstance(result, str):
            notes.append(f"{step}: {result}")
        else:
            rows.append(row(step, result, results[f"ours-{step.split('-')[-1]}"]))
    return rows, notes


def row(step: str, result: dict, ours: dict) -> list[str]:
    total, own = result["load_s"] + result["work_s"], ours["load_s"] + ours["work_s"]
    speed = [f"{total:.2f}", f"{total / own:.1f}", f"{result['cpu_s']:.2f}", f"{result['cpu_s'] / ours['cpu_s']:.1f}"]
    tool, what = step.rsplit("-", 1)
    accuracy = ["?"] * 4
    if "dice" in result:
        accuracy = [f"{result['error']:+.2f}", f"{result['worst']:+.2f}", f"{result['dice']:.4f}"]
        accuracy.append(str(result["different"]))
    name = {"ours": "**Dose3D**", "rtutils": "rt-utils"}.get(tool, tool)
    return [what, name, f"{result['load_s']:.2f}", *speed, f"{result['above_mib']:.0f}", *accuracy]


HEADINGS = ["", "tool", "of it CT headers s", "total s", "x Dose3D", "CPU s", "x Dose3D", "peak MiB above start",
            "mean volume error %", "worst %", "mean Dice", "different voxels"]  # fmt: skip


def as_markdown(rows: list[list[str]], notes: list[str], size: dict) -> str:
    lines = [f"RTSTRUCT of {size['count']} ellipsoids on a CT of {size['rows']}x{size['rows']}x{size['slices']}", ""]
    lines += ["| " + " | ".join(cells) + " |" for cells in (HEADINGS, ["---"] * len(HEADINGS), *rows)]
    lines += ["", "Written files are judged by a separate decoder (pixel centre, even-odd)."]
    lines += ["All readers read Dose3D's file. Each tool runs equally often and the median counts; on a busy machine"]
    lines += ["processor seconds are the fair figure."]
    lines += [f"- {note}" for note in notes]
    lines += ["", f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}{load_average()}."]
    lines += ["", "Made by `python3 run.py benchmark contours`."]
    return "\n".join(lines) + "\n"


def load_average() -> str:
    """How busy the machine was; a load over the number of cores means that the tools waited for each other."""
    return f", load average {os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--slices", type=int, default=186)
    parser.add_argument("--structures", type=int, default=27)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each step; the median counts")
    parser.add_argument("--install", action="store_true", help="install missing Python peers (temporary environments)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="where a peer is installed")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        extra = {"file": options.file} if options.file else {}
        found = STEPS[options.step](options.work / "ct", options.work, json.loads(options.size), **extra)
        print(json.dumps(found))
        return
    size = {"rows": options.rows, "slices": options.slices, "count": options.structures}
    given = dict(peer.split("=", 1) for peer in options.peer)
    with tempfile.TemporaryDirectory(prefix="dose3d-contours-") as folder:
        make_series(Path(folder) / "ct", options.rows, options.slices)
        rows, notes = measure(Path(folder), size, options.repeats, options.install, given)
    text = as_markdown(rows, notes, size)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "Dose3D"))
    main()
