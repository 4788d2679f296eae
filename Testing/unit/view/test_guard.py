"""Who gets in: asked of a real server on the loopback address, by a client that sends what it likes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

aiohttp = pytest.importorskip("aiohttp", reason="comes with trame-slicer")
from aiohttp import web  # noqa: E402
from Dose3DLib.view.guard import Guard  # noqa: E402

TOKEN = "a-token-of-this-test"


@asynccontextmanager
async def served(report=None):
    """A guarded application with a page, a file and a websocket; gives the guard and a client."""
    application, guard = web.Application(), Guard(TOKEN, report)
    guard.install(application)

    async def text(request):
        return web.Response(text=request.path)

    async def talk(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close()
        return socket

    application.router.add_get("/index.html", text)
    application.router.add_get("/a.js", text)
    application.router.add_get("/ws", talk)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    guard.port = runner.addresses[0][1]
    jar = aiohttp.CookieJar(unsafe=True)  # an address is no domain name
    async with aiohttp.ClientSession(f"http://127.0.0.1:{guard.port}", cookie_jar=jar) as client:
        yield guard, client
    await runner.cleanup()


def ask(*requests, report=None):
    """Status of each request (path, headers), sent one after the other by one client."""

    async def run():
        async with served(report) as (guard, client):
            answers = []
            for path, headers in requests:
                headers = {name: value.format(port=guard.port) for name, value in headers.items()}
                async with client.get(path, headers=headers, allow_redirects=False) as answer:
                    answers.append((answer.status, dict(answer.headers), await answer.text()))
            return answers

    return asyncio.run(run())


OPEN = (f"/index.html?secret={TOKEN}", {})


def test_the_token_opens_the_page_and_its_cookie_the_rest():
    (page, page_headers, _), (script, _, _), (bare, _, _) = ask(OPEN, ("/a.js", {}), ("/ws", {}))
    assert (page, script) == (200, 200)
    assert bare == 400  # no handshake, but past the guard
    assert "HttpOnly" in page_headers["Set-Cookie"]
    assert "SameSite=Strict" in page_headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/", "/index.html", "/a.js", "/ws", "/report.html", "/nothing"])
@pytest.mark.parametrize("query", ["", "?secret=", "?secret=wrong", f"?secret={TOKEN}x", "?secret=%FF"])
def test_without_the_token_nothing(path, query):
    ((status, headers, text),) = ask((path + query, {}))
    assert status == 403
    assert "Set-Cookie" not in headers
    assert TOKEN not in text + str(headers)


def test_a_wrong_token_is_refused_in_spite_of_the_cookie():
    assert [status for status, _, _ in ask(OPEN, ("/a.js?secret=wrong", {}))] == [200, 403]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_no_other_host_is_accepted(host):
    assert ask((OPEN[0], {"Host": host}))[0][0] == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1:{port}", 200), ("http://localhost:{port}", 200), ("http://evil.example", 403), ("null", 403),
     ("https://127.0.0.1:{port}", 403), ("http://127.0.0.1:1", 403)],
)  # fmt: skip
def test_requests_of_other_pages_are_refused(origin, status):
    assert ask((OPEN[0], {"Origin": origin}))[0][0] == status


def test_reloading_without_the_token_finds_the_way_back():
    answers = ask(OPEN, ("/", {}), ("/index.html", {}))
    assert [status for status, _, _ in answers] == [200, 302, 302]
    assert all(headers["Location"] == OPEN[0] for _, headers, _ in answers[1:])


def test_the_report_can_do_nothing(tmp_path):
    (tmp_path / "report.html").write_text("<p>µ</p>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("x")
    paths = ["/report.html", "/secret.txt", "/../secret.txt", "/report.html/../secret.txt"]
    answers = ask(OPEN, *((path, {}) for path in paths), report=tmp_path / "report.html")[1:]
    assert [status for status, _, _ in answers] == [200, 404, 404, 404]
    assert answers[0][2] == "<p>µ</p>"
    assert answers[0][1]["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_no_report_is_no_fault():
    assert ask(OPEN, ("/report.html", {}))[1][0] == 404


def test_the_page_may_load_nothing_from_elsewhere():
    ((_, headers, _),) = ask(OPEN)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "http:" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
