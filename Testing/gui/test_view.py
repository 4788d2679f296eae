"""`dose3d view` in a real browser: every control is clicked, and the picture must change (or the page say so).

Plain pytest: this concerns the browser, not Slicer. Set DOSE3D_SCREENSHOTS to a folder to keep pictures of the page.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "builders"))

from chromium import APT_LINE, Chromium, find_chromium  # noqa: E402

pytest.importorskip("trame_slicer", reason='needs trame-slicer (pip install "dose3d[view]")')
if find_chromium() is None:
    pytest.skip(APT_LINE, allow_module_level=True)

from Dose3DLib.geometry.grid import Grid, Volume  # noqa: E402
from Dose3DLib.geometry.phantom import population_phantom  # noqa: E402
from PIL import Image  # noqa: E402
from scene_builder import HOSTILE, ball_grid, ct, structures, write_scene_file  # noqa: E402

LIBRARY = Path(__file__).resolve().parents[2] / "Dose3D"
REPORT = """<!DOCTYPE html><html><body style="background: #fff; font: 30px sans-serif"><h1>Report of the test</h1>
<script>document.body.innerHTML = "script ran"; parent.document.title = "taken";</script></body></html>"""
VIEWS = ("Red", "Yellow", "Green", "ThreeD")
FRAMES = "[...document.querySelectorAll('.d3-view img')].filter(i => i.naturalWidth > 20).length === 4"


class Server:
    """`dose3d view` in a process of its own."""

    def __init__(self, scene: Path, temporary: Path):
        command = [sys.executable, "-m", "Dose3DLib.cli", "view", str(scene), "--no-browser"]
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY), "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)  # fmt: skip
        self.process.stdout.readline()
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.process.stderr.read()
        self.port = int(self.url.split(":")[2].split("/")[0])

    def stop(self) -> tuple[float, str]:
        """Ctrl-C; seconds until it has ended, and what it said on standard error."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            _, err = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - started, err


def falling_dose(grid: Grid) -> Volume:
    """A ball of dose around the middle of the neck, 66 Gy at its centre."""
    k, j, i = np.indices(grid.shape, sparse=True)
    distance = ((k - 70) * 2.5) ** 2 + ((j - 125) * 2.0) ** 2 + ((i - 128) * 2.0) ** 2
    return Volume((66 * np.exp(-distance / 60.0**2)).astype(np.float32), grid)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    volume, organs = population_phantom()
    folder, temporary = tmp_path_factory.mktemp("result"), tmp_path_factory.mktemp("temporary")
    volumes = {"CT Łódź µ": volume, "Planned dose": falling_dose(volume.grid)}
    write_scene_file(folder / "scene.mrb", volumes, organs, unit="Gy", patient="Łódź µ")
    (folder / "report.html").write_text(REPORT, encoding="utf-8")
    running = Server(folder, temporary)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.fixture
def page(server, browser):
    """The page with all four pictures, everything switched on."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(server.url)
    browser.wait_for(FRAMES)
    browser.click("#all")
    browser.click("#preset-soft")
    return browser


def pixels(browser: Chromium, selector: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(browser.screenshot(clip=selector))).convert("RGB")).astype(int)


def settled(browser: Chromium, selector: str) -> np.ndarray:
    """The pixels of an element once three looks in a row are the same: a picture may still be on its way."""
    last, same = pixels(browser, selector), 0
    for _ in range(60):
        browser.pause(0.3)
        now = pixels(browser, selector)
        same = same + 1 if now.shape == last.shape and np.array_equal(now, last) else 0
        if same == 2:
            return now
        last = now
    raise AssertionError(f"{selector} does not come to rest")


def share_changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the pixels below the labels that differ by more than compression does."""
    return float((np.abs(before - after)[40:].max(axis=-1) > 24).mean())


def changes(browser: Chromium, selector: str, action, least: float = 0.002) -> np.ndarray:
    """Do something; the new picture, which must differ from the old one and come to rest."""
    before = settled(browser, selector)
    action()
    for _ in range(40):
        browser.pause(0.25)
        if share_changed(before, pixels(browser, selector)) > least:
            break
    after = settled(browser, selector)
    assert share_changed(before, after) > least, f"nothing happens in {selector}"
    return after


def text(browser: Chromium, selector: str) -> str:
    return browser.evaluate(f"document.querySelector('{selector}').textContent.trim()")


def structure_names(browser: Chromium) -> list[str]:
    return browser.evaluate("[...document.querySelectorAll('.d3-list li')].map(e => e.textContent.trim())")


def keep(browser: Chromium, name: str) -> None:
    folder = os.environ.get("DOSE3D_SCREENSHOTS")
    if folder:
        browser.screenshot(Path(folder) / f"view_{name}.png")


def test_who_what_and_research_use_only(page):
    assert text(page, "#title") == "Łódź µ"
    assert text(page, "#caution") == "Research use only"
    assert page.evaluate("document.title") == "Łódź µ · Dose3D"
    assert {"BODY", "Brainstem", "SpinalCord", "Mandible"} <= set(structure_names(page))
    for name in VIEWS:
        assert settled(page, f"#picture-{name}")[40:-40].std() > 5, name
    keep(page, "start")


def test_nothing_is_loaded_from_elsewhere(page, server):
    ours = (f"http://127.0.0.1:{server.port}/", f"ws://127.0.0.1:{server.port}/", "blob:", "data:")
    assert len(page.requests) > 5
    assert [url for url in page.requests if not url.startswith(ours)] == []
    # The client asks for a launcher of sessions, which there is not; anything else would be a fault.
    assert [line for line in page.complaints if "/paraview/" not in line] == []


def seldom(first: str, *others: str) -> list:
    """The first in every run, the like of it with the slow tests: each takes a browser some seconds."""
    return [first, *(pytest.param(other, marks=pytest.mark.slow) for other in others)]


@pytest.mark.parametrize("view", seldom("Red", *(view for view in VIEWS if view != "Red")))
def test_a_segment_off_and_on(page, view):
    body = structure_names(page).index("BODY")
    changes(page, f"#picture-{view}", lambda: page.click(f"#structure-{body}"))
    assert page.evaluate(f"document.querySelector('#structure-{body}').checked") is False
    changes(page, f"#picture-{view}", lambda: page.click(f"#structure-{body}"))
    assert page.evaluate(f"document.querySelector('#structure-{body}').checked") is True


def test_none_and_all(page):
    changes(page, "#picture-ThreeD", lambda: page.click("#none"), 0.02)
    assert (
        page.evaluate("[...document.querySelectorAll('.d3-list input[type=checkbox]')].some(e => e.checked)") is False
    )
    changes(page, "#picture-ThreeD", lambda: page.click("#all"), 0.02)


@pytest.mark.parametrize("view", seldom("ThreeD", "Yellow"))
def test_opacity_of_segments(page, view):
    changes(page, f"#picture-{view}", lambda: page.click("#opacity", 0.05))
    changes(page, f"#picture-{view}", lambda: page.click("#opacity", 0.97))
    assert text(page, ".d3-list output") == "100 %"


@pytest.mark.parametrize(("preset", "window"), [("lung", ["1500", "-600"]), ("bone", ["1800", "400"])])
def test_presets_of_the_window(page, preset, window):
    changes(page, "#picture-Red", lambda: page.click(f"#preset-{preset}"), 0.02)
    shown = page.evaluate("['#window', '#level'].map(s => document.querySelector(s + ' + output').textContent)")
    assert shown == window
    assert page.evaluate(f"document.querySelector('#preset-{preset}').ariaPressed") == "true"
    changes(page, "#picture-Red", lambda: page.click("#preset-soft"), 0.02)


@pytest.mark.parametrize("slider", seldom("window", "level"))
def test_sliders_of_the_window(page, slider):
    changes(page, "#picture-Green", lambda: page.click(f"#{slider}", 0.8), 0.02)
    assert page.evaluate("document.querySelector('#preset-soft').ariaPressed") == "false"


@pytest.mark.parametrize("view", seldom("Red", "Yellow", "Green"))
def test_slices_move_by_slider_and_wheel(page, view):
    label = f"#picture-{view} .d3-label em"
    page.click("#reset")
    changes(page, f"#picture-{view}", lambda: page.click(f"#slice-{view}", 0.62), 0.01)
    at_slider = text(page, label)
    changes(page, f"#picture-{view}", lambda: [page.wheel(f"#picture-{view}", -120) for _ in range(4)])
    assert text(page, label) != at_slider
    value = float(page.evaluate(f"document.querySelector('#slice-{view}').value"))
    assert f"{abs(value):.1f} mm" in text(page, label)  # slider and words follow the wheel


def test_three_d_turns_and_can_be_reset(page):
    page.click("#reset")
    before = settled(page, "#picture-ThreeD")

    def drag():
        left, top, width, height = page.box("#picture-ThreeD")
        x, place = left + width / 2, {"y": top + height / 2, "button": "left"}
        page.send("Input.dispatchMouseEvent", type="mousePressed", x=x, clickCount=1, **place)
        for step in range(1, 6):
            page.send("Input.dispatchMouseEvent", type="mouseMoved", x=x + 25 * step, buttons=1, **place)
            page.pause(0.1)
        page.send("Input.dispatchMouseEvent", type="mouseReleased", x=x + 125, clickCount=1, **place)

    changes(page, "#picture-ThreeD", drag, 0.02)
    changes(page, "#picture-ThreeD", lambda: page.click("#reset"), 0.02)
    assert share_changed(before, settled(page, "#picture-ThreeD")) < 0.01


def test_one_view_alone_and_back(page):
    page.click("#enlarge-Yellow")
    page.wait_for("getComputedStyle(document.querySelector('#view-Red')).display === 'none'")
    assert page.box("#picture-Yellow")[2] > 1000
    assert settled(page, "#picture-Yellow")[40:-40].std() > 20
    keep(page, "enlarged")
    page.click("#enlarge-Yellow")
    page.wait_for("getComputedStyle(document.querySelector('#view-Red')).display !== 'none'")
    assert page.box("#picture-Yellow")[2] < 600


def test_dose_over_the_image_with_a_scale_in_gray(page):
    page.choose("#overlay", "none")
    page.wait_for("!document.querySelector('#scale')")
    colored = changes(page, "#picture-Red", lambda: page.choose("#overlay", "Planned dose"), 0.02)
    assert page.box("#scale")[3] > 20
    assert text(page, "#scale .d3-unit") == "Gy"
    ticks = page.evaluate("[...document.querySelectorAll('#scale .d3-ticks span')].map(e => Number(e.textContent))")
    assert ticks[0] == 0
    assert ticks[-1] == pytest.approx(66, abs=1)
    assert np.ptp(pixels(page, "#scale .d3-colors").reshape(-1, 3), axis=0).min() > 150  # many colours
    assert (np.ptp(colored, axis=-1) > 60).mean() > 0.02
    keep(page, "dose")


@pytest.mark.parametrize("control", seldom("overlay-opacity", "overlay-top", "overlay-floor"))
def test_controls_of_the_overlay(page, control):
    page.choose("#overlay", "none")
    page.choose("#overlay", "Planned dose")
    page.wait_for(f"!!document.querySelector('#{control}')")
    changes(page, "#picture-Red", lambda: page.click(f"#{control}", 0.4), 0.01)


def test_another_image(page):
    page.choose("#overlay", "none")
    dosed = changes(page, "#picture-Red", lambda: page.choose("#image", "Planned dose"), 0.02)
    assert (np.ptp(dosed, axis=-1) > 60).mean() < 0.02  # an image is grey
    overlays = page.evaluate("[...document.querySelectorAll('#overlay option')].map(o => o.text)")
    assert overlays == ["none", "CT Łódź µ"]
    changes(page, "#picture-Red", lambda: page.choose("#image", "CT Łódź µ"), 0.02)


def test_the_report_lies_beside_and_can_do_nothing(page):
    page.click("#report-button")
    page.wait_for("!!document.querySelector('iframe#report')")
    page.pause(1.0)
    assert page.box("#report")[2] > 300
    assert pixels(page, "#report").mean() > 150  # white paper
    assert pixels(page, "#report").std() > 10  # with writing on it
    assert page.evaluate("document.title") == "Łódź µ · Dose3D"  # its script did not run
    assert page.evaluate("document.querySelector('#report').contentDocument") is None
    keep(page, "report")
    page.click("#report-button")
    page.wait_for("!document.querySelector('iframe#report')")


def test_reloading_keeps_the_way_in(page):
    page.send("Page.reload")
    page.pause(0.5)
    page.wait_for(FRAMES)
    assert text(page, "#title") == "Łódź µ"


@pytest.mark.parametrize("query", ["", "?secret=wrong"])
def test_a_wrong_token_is_refused(server, tmp_path, query):
    with Chromium(tmp_path) as stranger:
        stranger.open(server.url.split("?")[0] + query)
        stranger.pause(0.5)
        assert stranger.evaluate("document.body.innerText").startswith("403: refused")
        assert stranger.evaluate("performance.getEntriesByType('navigation')[0].responseStatus") == 403
        script = f"""new Promise(done => {{ const s = new WebSocket('ws://127.0.0.1:{server.port}/ws');
            s.onopen = () => done('open'); s.onerror = () => done('refused'); }})"""
        assert stranger.evaluate(script) == "refused"


@pytest.mark.parametrize(("secret", "answer"), [("right", "result"), ("wrong", "error"), ("wslink-secret", "error")])
def test_the_websocket_asks_for_the_secret_again(server, secret, answer):
    """Whoever came past the door by a cookie must still say the secret in the first message."""
    import asyncio

    import aiohttp
    import msgpack
    from wslink.chunking import UnChunker, generate_chunks

    async def hello():
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            await (await client.get(server.url)).read()
            async with client.ws_connect(f"http://127.0.0.1:{server.port}/ws") as ws:
                token = server.url.split("secret=")[1] if secret == "right" else secret
                message = {"wslink": "1.0", "id": "system:c0:0", "method": "wslink.hello", "args": [{"secret": token}]}
                for chunk in generate_chunks(msgpack.packb(message), 0):
                    await ws.send_bytes(chunk)
                reader = UnChunker()
                while True:
                    heard = reader.process_chunk((await ws.receive(timeout=10)).data)
                    if heard is not None:
                        return heard

    assert answer in asyncio.run(hello())


def test_only_this_machine_is_listened_to(server):
    with socket.create_connection(("127.0.0.1", server.port), 5):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says by which address we would
        except OSError:
            pytest.skip("this machine has no address but the loopback one")
        outward = probe.getsockname()[0]
    if outward.startswith("127."):
        pytest.skip("this machine has no address but the loopback one")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((outward, server.port), 5)


def test_names_from_a_scene_are_written_as_text(browser, tmp_path):
    grid = ball_grid()
    (tmp_path / "temporary").mkdir()
    scene = tmp_path / "scene.mrb"
    server = Server(write_scene_file(scene, {HOSTILE: ct(grid)}, structures(grid, HOSTILE), patient=HOSTILE),
                    tmp_path / "temporary")  # fmt: skip
    try:
        browser.open(server.url)
        browser.wait_for(FRAMES)
        assert text(browser, "#title") == HOSTILE
        assert text(browser, "#image-name") == HOSTILE
        assert text(browser, ".d3-list li") == HOSTILE
        assert browser.evaluate("document.querySelectorAll('.d3-side img, .d3-head img').length") == 0
        assert browser.evaluate("document.title") == f"{HOSTILE} · Dose3D"
        settled(browser, "main")
        keep(browser, "names")
    finally:
        server.stop()


def test_a_scene_without_structures(browser, tmp_path):
    (tmp_path / "temporary").mkdir()
    server = Server(write_scene_file(tmp_path / "scene.mrb", {"CT": ct(ball_grid(20.0))}), tmp_path / "temporary")
    try:
        browser.open(server.url)
        browser.wait_for(FRAMES)
        assert "no structures" in text(browser, ".d3-side")
        assert browser.evaluate("!!document.querySelector('#report-button')") is False
        assert settled(browser, "#picture-Red")[40:-40].std() > 20
        keep(browser, "image_only")
    finally:
        server.stop()


def test_ctrl_c_ends_under_two_seconds_with_a_browser_watching(browser, tmp_path):
    """Last, since the browser then tells of a lost connection."""
    (tmp_path / "temporary").mkdir()
    server = Server(write_scene_file(tmp_path / "scene.mrb", {"CT": ct(ball_grid())}), tmp_path / "temporary")
    browser.open(server.url)
    browser.wait_for(FRAMES)
    seconds, err = server.stop()
    assert seconds < 2
    assert (server.process.returncode, err) == (0, "")
    assert list((tmp_path / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(server.process.pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)
