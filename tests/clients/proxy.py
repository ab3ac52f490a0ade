"""Something between a client and a server: it sees every request, and makes those fail that a test names."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """The proxy, as a context manager.

    Attributes:
        seen: Method and path, without the query, of all requests so far.
        fails: Paths that are answered with 503 and never reach the server.
    """

    def __init__(self, target: str) -> None:
        self.seen: list[tuple[str, str]] = []
        self.fails: set[str] = set()
        self._target = urlsplit(target).netloc
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the answer."""
        bare = path.partition("?")[0]
        self.seen.append((method, bare))
        if bare in self.fails:
            return 503, [], b"not now"
        connection = http.client.HTTPConnection(self._target, timeout=60)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        status, answered, content = self.proxy.forward(self.command, self.path, headers, body)
        self.send_response_only(status)
        for name, value in answered:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - names that the base class asks for

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
