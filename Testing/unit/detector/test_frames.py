"""Frames judged by an asymmetric phantom: where the words of a patient position put nose, left hand and head."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.frames import (
    PATIENT_POSITIONS,
    beam_source_lps,
    frame_placement,
    g4rt_to_lps,
    iec_to_lps,
    patient_position,
)
from Dose3DLib.detector.placement import G4RT_TO_LPS

HEAD, NOSE, LEFT_HAND = np.array([0, 0, 800.0]), np.array([0, -100.0, 750]), np.array([300.0, 0, 0])
"""LPS mm of a patient who differs in all directions."""
RIGHT_OF_VIEWER, TO_GANTRY, UP = np.eye(3)
"""IEC 61217's fixed axes, for a viewer who faces the gantry."""

POSITIONS = {  # where the room has: head, nose, left hand; from the words of PS3.3 C.7.3.1.1.2 and a doll on a table
    "HFS": (TO_GANTRY, UP, RIGHT_OF_VIEWER),
    "HFP": (TO_GANTRY, -UP, -RIGHT_OF_VIEWER),
    "HFDR": (TO_GANTRY, -RIGHT_OF_VIEWER, UP),
    "HFDL": (TO_GANTRY, RIGHT_OF_VIEWER, -UP),
    "FFS": (-TO_GANTRY, UP, -RIGHT_OF_VIEWER),
    "FFP": (-TO_GANTRY, -UP, RIGHT_OF_VIEWER),
    "FFDR": (-TO_GANTRY, RIGHT_OF_VIEWER, UP),
    "FFDL": (-TO_GANTRY, -RIGHT_OF_VIEWER, -UP),
}


def turned(vector: np.ndarray, degrees: float, axis: int) -> np.ndarray:
    """By Rodrigues' formula, counter-clockwise about an axis."""
    k, a = np.eye(3)[axis], np.radians(degrees)
    return vector * np.cos(a) + np.cross(k, vector) * np.sin(a) + k * (k @ vector) * (1 - np.cos(a))


def test_all_eight_are_there():
    assert set(PATIENT_POSITIONS) == set(POSITIONS)


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_the_phantom_lies_as_the_words_say(position):
    head, nose, left = POSITIONS[position]
    to_room = iec_to_lps(position).T
    assert np.allclose(to_room @ HEAD, 800 * head)
    assert np.allclose(to_room @ (NOSE - [0, 0, 750]), 100 * nose)
    assert np.allclose(to_room @ LEFT_HAND, 300 * left)
    assert np.linalg.det(to_room) == pytest.approx(1)


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
@pytest.mark.parametrize("gantry", [0, 37, 90, 180, 271])
def test_g4rt_turns_its_beam_as_iec_does(position, gantry):
    """G4RT: the source is at z = -1000 and turns actively about +y; both frames must name one place in the patient."""
    source = turned(np.array([0, 0, -1000.0]), gantry, 1)
    assert np.allclose(g4rt_to_lps(position) @ source, 1000 * beam_source_lps(gantry, position))


def test_the_default_matrix_is_head_first_supine():
    assert np.array_equal(g4rt_to_lps("HFS"), G4RT_TO_LPS)


def test_beams_come_from_where_therapists_know_them():
    anterior, left, posterior, right = [0, -1, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0]
    for gantry, side in ((0, anterior), (90, left), (180, posterior), (270, right)):
        assert np.allclose(beam_source_lps(gantry, "HFS"), side)
    for gantry, side in ((0, posterior), (90, right)):
        assert np.allclose(beam_source_lps(gantry, "HFP"), side)
    assert np.allclose(beam_source_lps(90, "FFS"), right)


def test_the_couch_turns_the_patient_counter_clockwise_from_above():
    head_in_room = iec_to_lps("HFS", 90).T @ HEAD
    assert np.allclose(head_in_room, turned(800 * TO_GANTRY, 90, 2))
    assert np.allclose(head_in_room, -800 * RIGHT_OF_VIEWER)
    assert np.allclose(iec_to_lps("FFDL", 25).T @ LEFT_HAND, -300 * UP)


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
@pytest.mark.parametrize("frame", ["g4rt", "iec", "lps"])
def test_placements_go_there_and_back(position, frame):
    placement = frame_placement(frame, [12, -34, 56], position, 11.0)
    points = np.array([[1.0, 2, 3], [-40, 5, 60]])
    assert np.allclose(placement.detector(placement.lps(points)), points)
    assert np.allclose(placement.lps(np.zeros(3)), [12, -34, 56])
    if frame == "lps":
        assert np.array_equal(placement.to_lps, np.eye(3))


def test_an_asymmetric_detector_shifts_the_right_way():
    """One cell 7 mm to G4RT's +x, +y, +z: right, superior and posterior of a patient who lies head first supine."""
    where = frame_placement("g4rt", [100, 200, 300]).lps(np.array([7.0, 8.0, 9.0]))
    assert where.tolist() == [93, 209, 308]
    prone = frame_placement("g4rt", [100, 200, 300], "HFP").lps(np.array([7.0, 8.0, 9.0]))
    assert prone.tolist() == [107, 191, 308]


def test_names_of_positions():
    assert patient_position(" ffdr ") == "FFDR"
    with pytest.raises(InputError, match=r"plan.dcm: 'SITTING' is no patient position"):
        patient_position("SITTING", "plan.dcm")
