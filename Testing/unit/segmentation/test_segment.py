"""The pipe from CT to masks with a network whose answer is known, clean-up, body, plausibility."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.geometry.box import box_from_numbers
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.segmentation.body import body_mask
from Dose3DLib.segmentation.cleanup import boundary_confidence, clean_probability, mask_on_grid, organ_probability
from Dose3DLib.segmentation.plausibility import doubts, refuse_other_images
from Dose3DLib.segmentation.preprocess import InputSpec, model_input
from Dose3DLib.segmentation.segment import SegmentOptions, segment


class Threshold(torch.nn.Module):
    """Channel 0: above 215 HU, half way between ball and surrounding; channel 1: nothing."""

    def forward(self, image):
        hu = image * 300.0 - 100.0
        return torch.cat([(hu - 215.0) / 90.0, torch.full_like(hu, -20.0)], 1)


@dataclass
class KnownBundle:
    """Stands where a bundle would: a network that is right by construction."""

    organs: tuple[str, ...] = ("Brainstem", "Larynx")
    metadata: dict = None

    def __post_init__(self):
        spec = {
            "spacing_mm": [2.5, 3.0, 3.0],
            "resolution_mm": [2.5, 3.0, 3.0],
            "window_hu": [-1000, 1400],
            "center_hu": -100.0,
            "scale_hu": 300.0,
        }
        organs = {
            "Brainstem": {"volume_cc": [5, 60], "confidence": 0.2},
            "Larynx": {"volume_cc": [1, 60], "confidence": 0.2},
        }
        expected = {"organs": organs, "offsets_mm": {}}
        self.metadata = {
            "dose3d": {"input": spec, "patch": [32, 32, 32], "expected": expected, "region": "a head-and-neck CT"}
        }

    def network(self):
        return Threshold()


AFFINES = {
    "axial": np.diag([1.5, 1.5, 2.0]),
    "turned": np.array([[1.45, -0.4, 0.0], [0.4, 1.45, 0.0], [0.0, 0.0, -2.0]]),
    "sheared": np.array([[1.5, 0.0, 0.0], [0.0, 1.5, 0.4], [0.0, 0.0, 2.0]]),
}


def head(kind="axial", couch=False):
    """A soft-tissue ball of 60 mm radius that holds a brighter one of 18 mm off centre; maybe a couch below."""
    affine = np.eye(4)
    affine[:3, :3] = AFFINES[kind]
    grid = Grid((70, 110, 110), affine)
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    place = grid.to_lps(np.stack([i, j, k], -1)) - grid.to_lps((np.array(grid.shape[::-1]) - 1) / 2)
    outer = np.linalg.norm(place, axis=-1) < 60
    inner = np.linalg.norm(place - [15, -10, 8], axis=-1) < 18
    hu = np.where(inner, 400, np.where(outer, 30, -1000)).astype(np.int16)
    if couch:
        hu[(place[..., 1] > 66) & (place[..., 1] < 70)] = 100
    return Volume(hu, grid), outer, inner


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("kind", AFFINES)
def test_structures_lie_on_the_ct_grid_where_they_are(kind):
    volume, outer, inner = head(kind)
    found = segment(volume, KnownBundle(), SegmentOptions(device="cpu"))
    assert found.structures.names == ["Brainstem", "Larynx", "BODY"]
    assert dice(found.structures["Brainstem"].mask.to_array(), inner) > 0.96
    assert dice(found.structures["BODY"].mask.to_array(), outer) > 0.995
    assert found.structures["BODY"].interpreted_type == "EXTERNAL"
    assert found.structures["Larynx"].mask.is_empty
    assert found.confidence.keys() == {"Brainstem"}


def test_missing_organ_is_said():
    progress = Progress()
    segment(head()[0], KnownBundle(), SegmentOptions(device="cpu"), progress)
    assert progress.warnings == ["Not found: Larynx."]


def test_chosen_organs_only():
    found = segment(head()[0], KnownBundle(), SegmentOptions(("Brainstem",), "cpu"))
    assert found.structures.names == ["Brainstem", "BODY"]


@pytest.mark.parametrize("kind", AFFINES)
def test_organ_in_a_region_is_the_same_there_and_ends_at_its_faces(kind):
    """The box holds a part of the organ; BODY is that of the whole CT."""
    volume, _, inner = head(kind)
    k, j, i = np.indices(volume.grid.shape)
    points = volume.grid.to_lps(np.stack([i, j, k], axis=-1))
    low, high = points[inner].min(axis=0), points[inner].max(axis=0)
    low[2] = (low[2] + high[2]) / 2
    numbers = tuple(float(v) for v in np.stack([low, high + 5], axis=1).ravel())
    progress = Progress()
    found = segment(volume, KnownBundle(), SegmentOptions(device="cpu", roi=numbers), progress)
    whole = segment(volume, KnownBundle(), SegmentOptions(device="cpu"))
    mask, inside = found.structures["Brainstem"].mask.to_array(), (points >= low).all(-1) & (points <= high + 5).all(-1)
    assert not (mask & ~inside).any()
    assert dice(mask, whole.structures["Brainstem"].mask.to_array() & inside) > 0.98
    assert found.structures["BODY"].mask.same_voxels(whole.structures["BODY"].mask)
    assert np.allclose(found.region.low_mm, low)
    assert whole.region is None
    assert progress.warnings == [], "a cut organ is neither of odd size nor missing"


def test_a_region_makes_less_work():
    volume, spec, patch = head()[0], InputSpec((2.5, 3.0, 3.0), (2.5, 3.0, 3.0)), (16, 16, 16)
    whole = model_input(volume, spec)
    small = model_input(volume, spec, box_from_numbers((70, 80, 70, 80, 70, 80)), patch)
    assert np.prod(whole.grid.shape) > 5 * np.prod(small.grid.shape)
    start = np.rint(whole.grid.to_index(small.grid.affine[:3, 3]))[::-1].astype(int)
    part = whole.array[tuple(slice(a, a + n) for a, n in zip(start, small.grid.shape, strict=True))]
    assert np.abs(part - small.array).max() < 0.1, "the very voxels of the whole image"


def test_organ_that_does_not_reach_into_the_region_is_not_found():
    found = segment(head()[0], KnownBundle(), SegmentOptions(device="cpu", roi=(30, 40, 30, 40, 30, 40)))
    assert found.structures["Brainstem"].mask.is_empty
    assert found.confidence == {}


def test_bfloat16_gives_nearly_the_same():
    volume = head()[0]
    masks = [
        segment(volume, KnownBundle(), SegmentOptions(("Brainstem",), "cpu", p)).structures["Brainstem"].mask.to_array()
        for p in ("float32", "bfloat16")
    ]
    assert dice(*masks) > 0.99


def test_cancel_between_windows():
    calls = []
    progress = Progress(calls.append, lambda: len(calls) > 6)
    with pytest.raises(Cancelled):
        segment(head()[0], KnownBundle(), SegmentOptions(device="cpu"), progress)


def test_couch_is_not_body():
    volume, outer, _ = head(couch=True)
    assert dice(body_mask(volume).to_array(), outer) > 0.99


def test_airways_belong_to_the_body():
    volume, outer, _ = head()
    hollow = volume.array.copy()
    hollow[25:45, 50:58, 50:58] = -1000
    body = body_mask(Volume(hollow, volume.grid)).to_array()
    assert body[25:45, 50:58, 50:58].all()
    assert dice(body, outer) > 0.995


def test_body_of_an_empty_scan_is_empty():
    grid = Grid.axial((8, 20, 20), (2, 2, 2), (0, 0, 0))
    assert body_mask(Volume(np.full(grid.shape, -1000, np.int16), grid)).is_empty


def test_clean_up_keeps_the_largest_part_and_fills_it():
    probability = np.full((30, 30, 30), 0.02, np.float32)
    probability[5:20, 5:20, 5:20] = 0.9
    probability[10:12, 10:12, 10:12] = 0.1
    probability[25:28, 25:28, 25:28] = 0.95
    clean = clean_probability(probability, 22.5)
    assert (clean[5:20, 5:20, 5:20] >= 0.5).all(), "the hole is filled"
    assert (clean[25:28, 25:28, 25:28] == 0).all(), "the second part is gone"
    assert clean[4, 4, 4] == pytest.approx(0.02), "values around the border stay"


@pytest.mark.parametrize(("parts", "size", "kept"), [(1, 12, False), (2, 12, True), (2, 4, False)])
def test_second_part_counts_where_it_may_and_is_large(parts, size, kept):
    probability = np.zeros((30, 30, 40), np.float32)
    probability[5:20, 5:20, 5:20] = 0.9
    probability[5 : 5 + size, 5 : 5 + size, 24 : 24 + size] = 0.9
    clean = clean_probability(probability, 22.5, parts)
    assert (clean[5:20, 5:20, 5:20] >= 0.5).all()
    assert bool(clean[6, 6, 25] >= 0.5) is kept


def test_crumbs_are_no_organ():
    probability = np.zeros((20, 20, 20), np.float32)
    probability[4:6, 4:6, 4:6] = 0.99
    assert (clean_probability(probability, 22.5) < 0.5).all()


def test_box_around_an_organ_keeps_its_place():
    grid = Grid((20, 30, 40), np.diag([3.0, 3.0, 2.5, 1.0]))
    logits = np.full(grid.shape, -5.0, np.float32)
    logits[8:12, 0:3, 30:35] = 4.0
    box = organ_probability(Volume(logits, grid))
    assert box.array.shape == (8, 5, 9)
    whole = Volume((1 / (1 + np.exp(-logits))).astype(np.float32), grid)
    assert mask_on_grid(box, grid).same_voxels(mask_on_grid(whole, grid))
    assert mask_on_grid(organ_probability(Volume(logits - 10, grid)), grid).is_empty


def test_confidence_tells_sharp_from_vague():
    sharp, vague = np.zeros((20, 20, 20), np.float32), np.zeros((20, 20, 20), np.float32)
    sharp[5:15, 5:15, 5:15], vague[5:15, 5:15, 5:15] = 0.99, 0.55
    assert boundary_confidence(sharp) == pytest.approx(0.98, abs=0.01)
    assert boundary_confidence(vague) == pytest.approx(0.1, abs=0.01)
    assert boundary_confidence(np.zeros((5, 5, 5), np.float32)) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [(0, 1200, "no air"), (-1000, -900, "nothing but air"), (float("nan"), 5, "not numbers")],
)
def test_images_that_are_no_ct_are_refused(low, high, why):
    grid = Grid.axial((2, 4, 4), (1, 1, 1), (0, 0, 0))
    array = np.linspace(low, high, 32, dtype=np.float32).reshape(grid.shape)
    with pytest.raises(InputError, match=f"head.nii.gz.*{why}"):
        refuse_other_images(Volume(array, grid), "head.nii.gz")


def body_part(**places):
    """Cubes of 8 cc at LPS places (mm); None: not found. Returns the set and what is expected of A, B and C."""
    grid = Grid.axial((30, 30, 30), (10, 10, 10), (0, 0, 0))
    structures = []
    for name, place in places.items():
        array = np.zeros(grid.shape, bool)
        if place is not None:
            i, j, k = (p // 10 for p in place)
            array[k : k + 2, j : j + 2, i : i + 2] = True
        structures.append(Structure(name, Mask.from_array(array, grid)))
    organs = {name: {"volume_cc": [5, 9], "confidence": 0.3} for name in places}
    offsets = {"A to B": [[40, -20, -20], [60, 20, 20]], "A to C": [[-20, 40, -20], [20, 60, 20]]}
    offsets["B to C"] = [[-70, 30, -40], [-30, 70, 40]]
    return StructureSet(grid, tuple(structures)), {"organs": organs, "offsets_mm": offsets}


SURE = dict.fromkeys("ABC", 0.6)
RIGHT = {"A": (50, 50, 50), "B": (100, 50, 50), "C": (50, 100, 50)}


def test_what_looks_right_raises_no_doubt():
    found, expected = body_part(**RIGHT)
    assert doubts(found, SURE, expected, "a head-and-neck CT") == []


def test_other_part_of_the_body_is_said():
    found, expected = body_part(A=(50, 50, 50), B=None, C=None)
    said = doubts(found, SURE, expected, "a head-and-neck CT")
    assert "does not look like a head-and-neck CT: only 1 of 3" in said[0]
    assert said[1] == "Not found: B, C."


def test_organ_of_odd_size_is_named():
    found, expected = body_part(**RIGHT)
    expected["organs"]["C"]["volume_cc"] = [20, 30]
    assert doubts(found, SURE, expected, "a CT") == ["Look at C: 8.0 cc (training patients 20 to 30)."]


def test_organ_at_an_odd_place_is_named():
    found, expected = body_part(**{**RIGHT, "B": (200, 50, 50)})
    said = doubts(found, SURE, expected, "a CT")
    assert "Look at B: not where it should be beside the other organs." in said
    assert len(said) == 1


def test_unsure_organ_is_named():
    found, expected = body_part(**RIGHT)
    said = doubts(found, {**SURE, "A": 0.1}, expected, "a CT")
    assert said == ["Look at A: the network is unsure of its edge."]


def test_in_a_region_only_unsureness_is_said():
    """What the box cuts off is neither missing nor of odd size nor at an odd place."""
    found, expected = body_part(A=(50, 50, 50), B=(200, 50, 50), C=None)
    expected["organs"]["A"]["volume_cc"] = [20, 30]
    said = doubts(found, {**SURE, "B": 0.1}, expected, "")
    assert said == ["Look at B: the network is unsure of its edge."]
