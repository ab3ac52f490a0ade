"""A proxy before a real server that counts what both sides ask of it: calls, tokens, embeddings."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

PASSED_ON = ("authorization", "content-type", "openai-organization", "openai-project")
TIMEOUT_S = 300.0


class CountingProxy:
    """Passes requests on to an OpenAI-compatible server, and counts those that were answered.

    Attributes:
        calls: Chat requests.
        embeddings: Embedding requests.
        tokens: Asked and answered in chats, as the server counts them.
    """

    def __init__(self, target: str) -> None:
        self._target = target.rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=None))
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self.reset()

    def reset(self) -> None:
        """Forget all counts."""
        self.calls = self.embeddings = self.tokens = 0

    def __enter__(self) -> CountingProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def _pass_on(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        reply = self._client.post(self._target + path, content=content, headers=headers)
        if reply.is_success:
            with self._lock:
                if path.endswith("/embeddings"):
                    self.embeddings += 1
                else:
                    self.calls += 1
                    self.tokens += _total_tokens(reply.content)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pass_on = self._pass_on

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
                try:
                    reply = pass_on(self.path.removeprefix("/v1"), content, headers)
                    status, body = reply.status_code, reply.content
                except httpx.HTTPError as error:
                    message = f"The server could not be reached: {error}"
                    status, body = 502, json.dumps({"error": {"message": message}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def _total_tokens(content: bytes) -> int:
    try:
        return int(json.loads(content)["usage"]["total_tokens"])
    except (ValueError, KeyError, TypeError):  # a server that does not count
        return 0
