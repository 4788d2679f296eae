"""Who may see the page: a browser of this machine that was given the token, and nobody else.

The server listens on the loopback address. That alone leaves two doors: other users and programs of this machine, and
web pages in the user's own browser, which may send requests to any port of it. Therefore

- the address has a secret token; the first page takes it from the address and hands out a cookie for the rest;
- the Host header must name the loopback address (a foreign name that resolves to it is refused: DNS rebinding);
- a request that bears an Origin must bear ours;
- the websocket asks for the cookie when it opens, and for the token again as its first message (wslink's own secret).
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "REPORT", "Guard"]

PAGE, REPORT = "/index.html", "/report.html"
_PARAMETER = "secret"
"""Name of the token in the address: the client takes it from there as the websocket's secret, and out of sight."""
_REFUSED = "403: refused. Open the address that dose3d view printed, with its whole secret.\n"

_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' {websocket} data: "
    "blob:; object-src 'none'; base-uri 'self'; form-action 'none'"
)
"""The page compiles its template in the browser ('unsafe-eval'), but loads nothing from anywhere else."""
_REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
"""A report is a picture of a page: no script, no request, wherever it came from."""


class Guard:
    """Checks each request of an aiohttp application; `port` is set once the server knows it."""

    def __init__(self, token: str, report: Path | None = None):
        self.token, self._report = token, report
        self.port = 0

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://127.0.0.1:{self.port}{PAGE}?{_PARAMETER}={self.token}"

    def install(self, application: Any) -> None:
        """Put the checks before everything that the application serves, and the report among it."""
        from aiohttp import web

        @web.middleware
        async def check(request: Any, handler: Any) -> Any:
            answer = self._answer(request)
            return answer if answer is not None else await handler(request)

        async def dress(request: Any, response: Any) -> None:
            response.headers.update(_HEADERS)
            policy = _REPORT_POLICY if request.path == REPORT else _PAGE_POLICY
            response.headers["Content-Security-Policy"] = policy.format(websocket=f"ws://{request.host}")
            if request.path == PAGE and response.status == 200:
                # As a header: the response's own cookies were written down before this is called.
                response.headers["Set-Cookie"] = f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"

        application.middlewares.append(check)
        application.on_response_prepare.append(dress)
        application.router.add_get(REPORT, self._send_report)

    @property
    def _cookie(self) -> str:
        return f"dose3d-view-{self.port}"  # cookies do not tell ports apart

    def _answer(self, request: Any) -> Any:
        """The refusal of a request, the way for one that lost its token, or None for one that may pass."""
        from aiohttp import web

        given = request.query.get(_PARAMETER)
        has_cookie = self._is_token(request.cookies.get(self._cookie))
        allowed = has_cookie if given is None else self._is_token(given)
        if not self._is_local(request) or not allowed:
            return web.Response(status=403, text=_REFUSED)
        if request.path in ("/", PAGE) and given is None:
            return web.Response(status=302, headers={"Location": f"{PAGE}?{_PARAMETER}={self.token}"})
        return None

    def _is_local(self, request: Any) -> bool:
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        origin = request.headers.get("Origin")
        # A sandboxed report has no origin of its own ("null"), and sends no request that bears one.
        return request.host in hosts and (origin is None or origin in {f"http://{host}" for host in hosts})

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    async def _send_report(self, request: Any) -> Any:
        from aiohttp import web

        if self._report is None or not self._report.is_file():
            return web.Response(status=404, text="There is no report beside this scene.\n")
        return web.Response(body=self._report.read_bytes(), content_type="text/html", charset="utf-8")
