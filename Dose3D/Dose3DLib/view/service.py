"""`dose3d view SCENE`: a result in the browser, served to this machine alone until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..core.errors import InputError, ResourceError
from ..tasks.base import TaskSettings, option
from .guard import Guard
from .page import Page, remote_factories
from .probe import drawing_probe, prefer_off_screen, wait_for_probe
from .source import SceneSource, find_scene, unpack_scene
from .viewer import Viewer

__all__ = ["Settings", "serve"]

HOST = "127.0.0.1"
_GOODBYE_SECONDS = 0.7
"""Time for browsers to hang up when we stop; those that don't are hung up on."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Which scene is shown, and how the browser gets there."""

    scene: Path = option(help="a scene.mrb, or the folder of a result that holds one", positional=True)
    port: int = option(0, help="port on 127.0.0.1; 0 takes a free one", minimum=0, maximum=65535)
    browser: bool = option(True, help="open the default browser; without it the address is only printed")


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Show a scene until Ctrl-C (or a polite kill); `say` gets the lines for the terminal.

    Raises
    ------
    InputError
        no scene, a damaged one, or a port in use.
    ResourceError
        trame-slicer or OpenGL is missing, or the disk is full.
    """
    source = find_scene(settings.scene)
    _check_packages()
    _check_port(settings.port)
    prefer_off_screen()
    with drawing_probe() as probe, TemporaryDirectory(prefix="dose3d-view-", ignore_cleanup_errors=True) as room:
        say(f"opening {source.scene}")
        mrml = unpack_scene(source.scene, Path(room))
        wait_for_probe(probe)
        with _quiet_trame():
            asyncio.run(_serve(settings, source, mrml, say))


def _check_packages() -> None:
    for name in ("trame_slicer", "trame_rca", "slicer", "aiohttp"):
        if find_spec(name) is None:
            raise ResourceError(
                "dose3d view",
                "needs trame-slicer, which is not installed",
                'install it (pip install "dose3d[view]"; no wheels for Linux aarch64, Intel Macs and Python 3.14)',
            )


def _check_port(port: int) -> None:
    with socket.socket() as trial:
        if os.name != "nt":  # as asyncio does; on Windows the option would share a port in use
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise _port_error(port, error) from error


def _port_error(port: int, error: OSError) -> InputError:
    in_use = error.errno == errno.EADDRINUSE
    return InputError("--port", f"{port} is in use" if in_use else f"{port} cannot be used ({error.strerror})",
                      "give another one, or leave it out for a free one")  # fmt: skip


@contextmanager
def _quiet_trame() -> Iterator[None]:
    """Keep trame from reading our command line as its own, and from writing to standard output."""
    ours = {"TRAME_ARGS": "", "WSLINK_READY_MSG": ""}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


async def _serve(settings: Settings, source: SceneSource, mrml: Path, say: Callable[[str], None]) -> None:
    stopped = _stop_event()
    guard = Guard(secrets.token_urlsafe(24), source.report)
    server = _make_server(guard)
    viewer = Viewer(lambda: remote_factories(server))
    viewer.open(mrml, source.scene)
    Page(server, viewer, source.scene.name, source.report is not None)
    running = asyncio.ensure_future(
        server.start(
            port=settings.port,
            host=HOST,
            exec_mode="coroutine",
            open_browser=False,
            show_connection_info=False,
            timeout=0,
            thread=True,
        )  # fmt: skip
    )
    try:
        await _until_ready(server, running, settings.port)
        guard.port = server.port
        say(f"{guard.url}\nthis address is for this machine and for you alone; Ctrl-C ends; for research use only")
        if settings.browser:
            _open_browser(guard.url)
        await stopped.wait()
    finally:
        await _stop(server, running)


def _open_browser(url: str) -> None:
    """The default browser, where there is a desktop: without one, a browser of the terminal would take it over."""
    desktop = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    if not sys.platform.startswith("linux") or any(os.environ.get(name) for name in desktop):
        # Some browsers return only when their window is closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _make_server(guard: Guard) -> Any:
    from trame_server import Server

    server = Server()
    server.client_type = "vue3"

    def bind(web_server: Any) -> None:
        guard.install(web_server.app)
        server.protocol.updateSecret(guard.token)

    server.controller.on_server_bind.add(bind)
    return server


async def _until_ready(server: Any, running: asyncio.Future[Any], port: int) -> None:
    await asyncio.wait([running, server.ready], return_when=asyncio.FIRST_COMPLETED)
    if running.done() and isinstance(running.exception(), OSError):
        raise _port_error(port, running.exception()) from running.exception()
    if running.done():
        running.result()


async def _stop(server: Any, running: asyncio.Future[Any]) -> None:
    # Pictures that were on their way to a browser now fail, each in a task of its own: nobody is to hear of it.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with suppress(Exception):  # a browser that does not hang up, or a server that never started
        await asyncio.wait_for(server.stop(), _GOODBYE_SECONDS)
    running.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await running


def _stop_event() -> asyncio.Event:
    """An event that Ctrl-C and a polite kill set."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")):
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    return stopped
