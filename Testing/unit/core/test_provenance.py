"""Provenance is complete, JSON-able and imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path

import Dose3DLib
from Dose3DLib.core.progress import Progress
from Dose3DLib.core.provenance import file_sha256, make_provenance, software_versions


def test_a_path_that_is_no_text_can_be_written():
    made = make_provenance("x", {"ct": "a\udcff/Łódź"}, Progress(), inputs=[{"path": "b\udce4"}])
    assert json.dumps(made, ensure_ascii=False).encode("utf-8")
    assert made["settings"] == {"ct": "a\\udcff/Łódź"}
    assert made["inputs"] == [{"path": "b\\udce4"}]


def test_record_is_complete():
    progress = Progress()
    progress.warn("careful")
    with progress.stage("read", until=1.0):
        pass
    made = make_provenance("segment run", {"ct": "CT"}, progress, device="cpu", inputs=[{"uid": "1.2"}], seed=7)
    assert json.loads(json.dumps(made)) == made
    assert made["task"] == "segment run"
    assert made["settings"] == {"ct": "CT"}
    assert (made["device"], made["seed"], made["inputs"]) == ("cpu", 7, [{"uid": "1.2"}])
    assert made["research_use_only"] is True
    assert made["warnings"] == ["careful"]
    assert list(made["seconds"]) == ["read"]
    when = datetime.fromisoformat(made["made_utc"])
    assert when.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - when) < timedelta(seconds=5)


def test_record_does_not_change_with_the_progress():
    progress = Progress()
    made = make_provenance("x", {}, progress)
    progress.warn("later")
    assert made["warnings"] == []


def test_versions():
    versions = software_versions()
    assert versions["Dose3D"] == Dose3DLib.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions["numpy"] == metadata.version("numpy")


def test_versions_are_read_without_imports():
    root = str(Path(Dose3DLib.__file__).parents[1])
    script = f"""
import sys
sys.path.insert(0, {root!r})
from Dose3DLib.core.provenance import software_versions
assert "numpy" in software_versions()
print([name for name in ("numpy", "torch", "monai", "vtk") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_sha256(tmp_path):
    data = bytes(range(256)) * 9000  # longer than the piece that is read at once
    (tmp_path / "a").write_bytes(data)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    (tmp_path / "b").touch()
    assert file_sha256(str(tmp_path / "b")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
