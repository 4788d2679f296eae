"""Which scene a path means, and what is no scene."""

from __future__ import annotations

import zipfile

import pytest
from Dose3DLib.core.errors import InputError, ResourceError
from Dose3DLib.view import source
from Dose3DLib.view.source import find_scene, unpack_scene

MRML = '<MRML version="Slicer 5.0.0 0"><VolumeArchetypeStorage fileName="{name}" {more}/></MRML>'


def bundle(path, name="Data/CT%20%C5%81.nrrd", more="", mrml=None):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("scene/Data/CT Ł.nrrd", b"x" * 5000)
        file.writestr("scene/scene.mrml", MRML.format(name=name, more=more) if mrml is None else mrml)
    return path


def test_a_file_or_the_folder_of_a_result_or_of_a_demo(tmp_path):
    scene = bundle(tmp_path / "scene.mrb")
    assert find_scene(scene).scene == scene
    assert find_scene(tmp_path) == source.SceneSource(scene, None)
    (tmp_path / "report.html").write_text("<p>")
    assert find_scene(scene).report == tmp_path / "report.html"
    demo = tmp_path / "demo"
    (demo / "result").mkdir(parents=True)
    inner = bundle(demo / "result/scene.mrb")
    assert find_scene(demo).scene == inner
    other = tmp_path / "other"
    other.mkdir()
    assert find_scene(bundle(other / "mine.mrb").parent).scene.name == "mine.mrb"


def test_what_is_no_scene_is_said_in_one_line(tmp_path):
    (tmp_path / "a.mrb").write_text("no zip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("one.mrb", "two.mrb"):
        bundle(tmp_path / "two" / name)
    cut = bundle(tmp_path / "cut.mrb")
    cut.write_bytes(cut.read_bytes()[:-300])
    for name, words in {
        "nowhere.mrb": "does not exist; give a scene.mrb",
        "a.mrb": "is no Slicer scene",
        "cut.mrb": "is damaged",
        "folder": "holds no scene",
        "two": "holds 2 scenes; give one of them, for instance one.mrb",
    }.items():
        with pytest.raises(InputError, match=words):
            find_scene(tmp_path / name)


def test_unpacking_leaves_the_file_as_it_is(tmp_path):
    scene = bundle(tmp_path / "a.mrb")
    before = scene.read_bytes(), scene.stat().st_mtime_ns
    (tmp_path / "room").mkdir()
    mrml = unpack_scene(scene, tmp_path / "room")
    assert mrml == tmp_path / "room/scene/scene.mrml"
    assert (tmp_path / "room/scene/Data/CT Ł.nrrd").is_file()
    assert (scene.read_bytes(), scene.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "pointer",
    [
        "/etc/hostname",
        "../../outside.nrrd",
        "..%2F..%2Foutside.nrrd",
        "http://127.0.0.1/a.nrrd",
        "file:///etc/hostname",
    ],
)
@pytest.mark.parametrize("attribute", ["fileName", "uri", "fileListMember0"])
def test_a_scene_may_not_point_outside_itself(tmp_path, pointer, attribute):
    if attribute == "fileName":
        scene = bundle(tmp_path / "a.mrb", name=pointer)
    else:
        scene = bundle(tmp_path / "a.mrb", more=f'{attribute}="{pointer}"')
    (tmp_path / "room").mkdir()
    with pytest.raises(InputError, match="points to a file outside itself"):
        unpack_scene(scene, tmp_path / "room")


def test_archives_that_are_damaged_or_something_else(tmp_path):
    flipped = bundle(tmp_path / "flipped.mrb")
    data = bytearray(flipped.read_bytes())
    data[1000] ^= 255
    flipped.write_bytes(data)
    with zipfile.ZipFile(tmp_path / "other.mrb", "w") as file:
        file.writestr("a.txt", "a")
    cases = {
        flipped: "is damaged",
        tmp_path / "other.mrb": "without a Slicer scene",
        bundle(tmp_path / "xml.mrb", mrml="<MRML"): "is damaged .*is no XML",
    }
    for index, (scene, words) in enumerate(cases.items()):
        room = tmp_path / str(index)
        room.mkdir()
        with pytest.raises(InputError, match=words):
            unpack_scene(scene, room)


def test_a_bundle_larger_than_the_disk(tmp_path, monkeypatch):
    scene = bundle(tmp_path / "a.mrb")
    monkeypatch.setattr(source.shutil, "disk_usage", lambda folder: source.shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(ResourceError, match="needs 0.0 GB unpacked"):
        unpack_scene(scene, tmp_path)
