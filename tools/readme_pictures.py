"""Draws the README's pictures from a finished demo, by the code that draws the report's.

    python3 run.py demo
    .venv/bin/python tools/readme_pictures.py out/demo

Writes docs/pictures/contours.png (CT with contours) and docs/pictures/surfaces.png (3-D, needs OpenGL).
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Dose3D"))

from Dose3DLib.dicom.ct import read_ct  # noqa: E402
from Dose3DLib.dicom.rtstruct import read_rtstruct  # noqa: E402
from Dose3DLib.report.figures import choose_planes, overview_figure  # noqa: E402
from Dose3DLib.scene.picture import render_3d  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"


def main(demo: Path) -> int:
    series = read_ct(demo / "ct")
    structures = read_rtstruct(demo / "result" / "structures.dcm", series.reference)
    PICTURES.mkdir(parents=True, exist_ok=True)
    planes, _ = choose_planes(series.volume, structures)
    (PICTURES / "contours.png").write_bytes(overview_figure(series.volume, structures, planes))
    picture = render_3d(structures, PICTURES / "surfaces.png")
    print(picture.path or picture.note)
    return 0 if picture.path else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
