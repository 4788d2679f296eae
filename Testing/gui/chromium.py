"""A headless Chromium driven by the DevTools protocol: what the tests of pages in the browser need, and no more."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

APT_LINE = "needs Chromium (Debian, Ubuntu: apt install chromium)"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--window-size=1366,768",
)  # fmt: skip


def find_chromium() -> str | None:
    """The program, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """One browser with one page; a context manager that leaves no process.

    `requests` collects the address of everything that the page asked for, `complaints` what it wrote as an error.
    """

    def __init__(self, folder: Path, size: tuple[int, int] = (1366, 768)):
        self._folder, self._size = folder, size
        self._loop = asyncio.new_event_loop()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def __enter__(self) -> Chromium:
        program = find_chromium()
        assert program is not None
        messages = (self._folder / "chromium.txt").open("wb")
        command = [program, *_FLAGS, f"--user-data-dir={self._folder / 'profile'}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=messages, stderr=messages, start_new_session=True)
        messages.close()
        try:
            self._loop.run_until_complete(self._connect())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._hang_up())
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._loop.close()

    async def _connect(self) -> None:
        import aiohttp

        self._session, self._reader = aiohttp.ClientSession(), None
        port = await self._debugging_port()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        self._reader = asyncio.ensure_future(self._read())
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._send(f"{domain}.enable")
        width, height = self._size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._send("Emulation.setDeviceMetricsOverride", **metrics)

    async def _debugging_port(self) -> int:
        for _ in range(300):
            await asyncio.sleep(0.1)
            text = (self._folder / "chromium.txt").read_text(errors="replace")
            found = re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", text)
            if found:
                return int(found[1])
        raise TimeoutError(f"Chromium did not start: {text[-500:]}")

    async def _hang_up(self) -> None:
        if getattr(self, "_reader", None) is not None:
            self._reader.cancel()
        if hasattr(self, "_session"):
            await self._session.close()

    async def _read(self) -> None:
        async for message in self._socket:
            event = json.loads(message.data)
            if "id" in event:
                future = self._answers.pop(event["id"], None)
                if future is not None and not future.done():
                    future.set_result(event)
            else:
                self._hear(event["method"], event["params"])

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method in ("Network.requestWillBeSent", "Network.webSocketCreated"):
            self.requests.append(params["request"]["url"] if "request" in params else params["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(
                json.dumps(params["exceptionDetails"].get("exception", params["exceptionDetails"]))[:900]
            )
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(" ".join(str(part.get("value", part.get("description"))) for part in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    async def _send(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        future = self._answers[self._last] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._last, "method": method, "params": params})
        answer = await asyncio.wait_for(future, 60)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol and its answer."""
        return self._loop.run_until_complete(self._send(method, **params))

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The JSON value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30) -> Any:
        """Wait until the expression is true; the value."""
        end = time.monotonic() + seconds
        while True:
            value = self.evaluate(script)
            if value:
                return value
            assert time.monotonic() < end, f"not within {seconds:g} s: {script}; the page said {self.complaints}"
            self.pause(0.05)

    def pause(self, seconds: float) -> None:
        """Let time pass while messages of the browser are read."""
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element that is there and can be seen."""
        box = self.evaluate(f"""(() => {{
            const e = document.querySelector({json.dumps(selector)});
            if (!e) return null;
            e.scrollIntoView({{ block: 'nearest' }});
            const r = e.getBoundingClientRect();
            return [r.x, r.y, r.width, r.height];
        }})()""")
        assert box, f"no element {selector}"
        assert box[2] > 0, f"{selector} has no width"
        assert box[3] > 0, f"{selector} has no height"
        return tuple(box)

    def click(self, selector: str, share: float = 0.5) -> None:
        """A real click: on the middle of an element, or on that share of its width."""
        left, top, width, height = self.box(selector)
        self._click_at(left + share * width, top + height / 2)

    def _click_at(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def wheel(self, selector: str, delta: float) -> None:
        left, top, width, height = self.box(selector)
        place = {"x": left + width / 2, "y": top + height / 2}
        self.send("Input.dispatchMouseEvent", type="mouseMoved", **place)
        self.send("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=delta, **place)

    def choose(self, selector: str, text: str) -> None:
        """Choose an option of a select by its text, as a user's choice reaches the page."""
        script = f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            const o = [...e.options].find(o => o.text === {json.dumps(text)}); if (!o) return false;
            e.value = o.value; e.dispatchEvent(new Event('change', {{ bubbles: true }})); return true; }})()"""
        assert self.evaluate(script), f"{selector} has no option {text}"

    def screenshot(self, path: Path | None = None, clip: str | None = None) -> bytes:
        """PNG of the page, or of one element."""
        more: dict[str, Any] = {}
        if clip is not None:
            left, top, width, height = self.box(clip)
            more["clip"] = {"x": left, "y": top, "width": width, "height": height, "scale": 1}
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png", **more)["data"])
        if path is not None:
            path.write_bytes(data)
        return data
