"""A mail server for tests: keeps what it is sent, and on demand never says that it has it."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self


class SmtpStub:
    """Listens on loopback from `with` to its end.

    Attributes:
        received: The mails that arrived whole, also those that it never acknowledged.
        hangs: While true, a mail that has arrived is not acknowledged.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        self.hangs = False
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.stub = self
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    stub: SmtpStub


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 stub")
        while line := self.rfile.readline().decode().strip():
            if line.upper() == "DATA":
                self._say("354 go on")
                self.server.stub.received.append(self._mail())
                if self.server.stub.hangs:
                    self.rfile.readline()  # nothing more comes until the sender gives up or dies
                    return
                self._say("250 taken")
            elif line.upper() == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 stub")

    def _mail(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()) not in (".\r\n", ""):
            lines.append(line)
        return "".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
