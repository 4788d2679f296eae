"""The page of `dose3d view`: its state, and what each control does.

The template is fixed text; everything that comes from a scene (names of patients, volumes, segments) reaches the page
as data that Vue writes as text, so a name can't become markup.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .overlay import looks_like_dose
from .viewer import SLICE_VIEWS, THREE_D, Viewer

__all__ = ["PRESETS", "Page", "remote_factories"]

PRESETS = {
    "soft": ("Soft tissue", 400.0, 40.0),
    "lung": ("Lung", 1500.0, -600.0),
    "bone": ("Bone", 1800.0, 400.0),
}
"""Usual windows of a CT: name, width and centre in HU."""
_STEPS = 500
_FPS = 20.0


def remote_factories(server: Any) -> list[Any]:
    """Factories of views whose pictures go to the browser; for the constructor of `Viewer`."""
    from trame_slicer.rca_view import RemoteSliceViewFactory, RemoteThreeDViewFactory

    options = {"target_fps": _FPS, "blur_fps": _FPS, "interactive_quality": 75, "rca_event_throttle_s": 0.03}
    return [kind(server, rca_encoder="jpeg", **options) for kind in (RemoteSliceViewFactory, RemoteThreeDViewFactory)]


class Page:
    """Binds a viewer to a trame server's state and triggers, and lays out the page.

    Parameters
    ----------
    file_name:
        what the page calls the scene.
    has_report:
        whether the guard has a report to send.
    """

    def __init__(self, server: Any, viewer: Viewer, file_name: str, has_report: bool):
        self._server, self._state, self._viewer = server, server.state, viewer
        title = viewer.title or "Scene"
        self._state.update({
            "trame__title": f"{title} · Dose3D", "title": title, "file_name": file_name, "large": "",
            "has_report": has_report, "report_open": False, "is_complete": viewer.is_complete, "slices": {},
            "trame__favicon": "",
            "presets": [{"key": key, "name": name, "hint": f"Window {width:g}, level {level:g} HU"}
                        for key, (name, width, level) in PRESETS.items()],
        })  # fmt: skip
        self._tell_images()
        self._tell_overlay()
        self._tell_surfaces()
        self._follow_slices()
        for name in ("show", "show_all", "opacity", "window", "preset", "background", "overlay", "overlay_opacity",
                     "overlay_top", "overlay_floor", "slice", "reset", "enlarge", "report"):  # fmt: skip
            server.controller.trigger(name)(getattr(self, f"_on_{name}"))
        self._lay_out()

    def _lay_out(self) -> None:
        from trame_client.ui.html import DivLayout
        from trame_client.widgets import client

        here = Path(__file__).parent
        with DivLayout(self._server) as layout:
            client.Style((here / "page.css").read_text(encoding="utf-8"))
            layout.root.add_child((here / "page.html").read_text(encoding="utf-8"))

    # What the page is told

    def _tell_images(self) -> None:
        volumes = [{"id": node.GetID(), "name": node.GetName() or "", "dose": looks_like_dose(node)}
                   for node in self._viewer.volumes()]  # fmt: skip
        current = self._viewer.background_id
        others = [item for item in volumes if item["id"] != current]
        overlays = sorted(others, key=lambda item: not item["dose"])
        self._state.update({"images": volumes, "image": current, "overlays": overlays})
        low, high = self._viewer.background_range()
        width = max(high - low, 1e-6)
        digits = 0 if width > 100 else 4
        self._state.update({
            "window_range": [round(width / _STEPS, digits), round(width, digits)], "level_range": [low, high],
            "window_step": max(round(width / _STEPS, digits), 10.0**-digits),
        })  # fmt: skip
        self._tell_window()

    def _tell_window(self) -> None:
        width, level = (round(value, 4) for value in self._viewer.window)
        fits = [key for key, (_, *preset) in PRESETS.items() if preset == [width, level]]
        self._state.update({"window_width": width, "window_level": level, "preset": fits[0] if fits else ""})

    def _tell_overlay(self) -> None:
        overlay = self._viewer.overlay
        self._state.update({
            "overlay": overlay.node.GetID() if overlay else "",
            "overlay_opacity": overlay.opacity if overlay else 0.0,
            "overlay_top": overlay.top if overlay else 1.0,
            "overlay_floor": overlay.floor if overlay else 0.0,
            "overlay_signed": bool(overlay and overlay.is_signed),
            "overlay_highest": max(overlay.highest, overlay.top) if overlay else 1.0,
            "scale": overlay.scale() if overlay else {"colors": [], "ticks": [], "unit": ""},
        })  # fmt: skip

    def _tell_surfaces(self) -> None:
        self._state.surfaces = [
            {"key": item.key, "name": item.name, "shown": item.is_shown, "empty": item.is_empty,
             "color": "#{:02x}{:02x}{:02x}".format(*item.color)}
            for item in self._viewer.surfaces()
        ]  # fmt: skip
        self._state.opacity = self._viewer.opacity
        self._state.surfaces_title = "Structures" if self._viewer.has_segments else "Surfaces"

    def _follow_slices(self) -> None:
        """Tell the position of each slice view, now and whenever it moves, by slider or by wheel."""
        for name in SLICE_VIEWS if self._viewer.background_id else ():
            self._tell_slice(name)
            self._viewer.views[name].modified.connect(lambda _view, name=name: self._tell_slice(name))

    def _tell_slice(self, name: str) -> None:
        with self._state as state:
            state.slices = {**state.slices, name: self._viewer.slice_facts(name)}

    def _draw(self, with_3d: bool = False) -> None:
        for name, view in self._viewer.views.items():
            if name != THREE_D or with_3d:
                view.schedule_render()

    # What the controls do

    def _on_show(self, key: str, is_shown: bool) -> None:
        self._viewer.show(key, bool(is_shown))
        self._tell_surfaces()
        self._draw(with_3d=True)

    def _on_show_all(self, is_shown: bool) -> None:
        self._viewer.show_all(bool(is_shown))
        self._tell_surfaces()
        self._draw(with_3d=True)

    def _on_opacity(self, value: float) -> None:
        self._viewer.opacity = min(max(float(value), 0.0), 1.0)
        self._tell_surfaces()
        self._draw(with_3d=True)

    def _on_window(self, width: float, level: float) -> None:
        self._viewer.set_window(float(width), float(level))
        self._tell_window()
        self._draw()

    def _on_preset(self, key: str) -> None:
        self._on_window(*PRESETS[key][1:])

    def _on_background(self, node_id: str) -> None:
        self._viewer.set_background(node_id)
        self._tell_images()
        self._tell_overlay()
        self._draw()

    def _on_overlay(self, node_id: str) -> None:
        self._viewer.set_overlay(node_id or None)
        self._tell_overlay()
        self._draw()

    def _on_overlay_opacity(self, value: float) -> None:
        self._viewer.set_overlay_opacity(min(max(float(value), 0.0), 1.0))
        self._tell_overlay()
        self._draw()

    def _on_overlay_top(self, value: float) -> None:
        if self._viewer.overlay is not None:
            self._viewer.overlay.top = float(value)
        self._tell_overlay()
        self._draw()

    def _on_overlay_floor(self, value: float) -> None:
        if self._viewer.overlay is not None:
            self._viewer.overlay.floor = min(max(float(value), 0.0), 0.95)
        self._tell_overlay()
        self._draw()

    def _on_slice(self, name: str, value: float) -> None:
        self._viewer.views[name].set_slice_value(float(value))

    def _on_reset(self) -> None:
        self._viewer.reset()
        self._draw(with_3d=True)

    def _on_enlarge(self, name: str) -> None:
        self._state.large = name if name in self._viewer.views else ""

    def _on_report(self, is_open: bool) -> None:
        self._state.report_open = bool(is_open)
