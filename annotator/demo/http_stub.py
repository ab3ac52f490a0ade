"""A local HTTP server that speaks OpenAI's chat and embedding protocols, for tests and benchmarks.

It answers with a function's text after a settable latency, can fail in every way a provider fails, and counts what it
is asked. Its embeddings count words, so that texts with common words are near each other. In process it is a context manager on a free port:

    with StubServer(respond) as stub:
        make_judge(..., base_url=stub.base_url)

On its own, `python -m annotator.demo.http_stub --port 9100 --latency-ms 200` serves the demo model.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import math
import re
import signal
import sys
import threading
import time
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, cast

Respond = Callable[[dict[str, Any]], str]

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    409: "Conflict",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_CHAT_PATHS = (b"/v1/chat/completions", b"/chat/completions")
_EMBEDDING_PATHS = (b"/v1/embeddings", b"/embeddings")
_DIMENSIONS = 256  # of an embedding, where the request names no number
_MOST_RECORDED = 10_000  # requests kept for inspection; a benchmark sends more


@dataclass(frozen=True, kw_only=True)
class StubAnswer:
    """How one request is answered; by default as if there were no schedule.

    Attributes:
        status: HTTP status; from 400 on the body is an error in OpenAI's form.
        message: The error's text.
        code: The error's code, such as `insufficient_quota`.
        headers: Further headers, such as `{"Retry-After": "1"}`.
        text: The model's text instead of what the respond function gives.
        raw: The whole HTTP body instead of a completion.
        finish_reason: `length` for an answer cut off.
        hang: Never answer.
        drop: Close the connection without an answer.
    """

    status: int = 200
    message: str = "scheduled failure"
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    raw: str | None = None
    finish_reason: str = "stop"
    hang: bool = False
    drop: bool = False


class StubServer:
    """The server. Attributes may be changed while it runs.

    Attributes:
        respond: From the body of a request to the text of the answer.
        latency_s: Seconds from a request to its answer.
        schedule: Answers for the next requests, one each; an int is short for a status.
        always: The answer when the schedule is empty; None means the respond function's.
        rejects: Values of `response_format.type` that are refused with 400.
        bodies: The latest request bodies, oldest first.
        headers: Their headers, names in lower case.
        calls: Number of chat requests so far, refused ones included.
        embeddings: Number of embedding requests so far, refused ones included.
        connections: Number of connections so far.
        max_in_flight: Most requests that were being answered at one time.
    """

    def __init__(self, respond: Respond, *, latency_s: float = 0.0, port: int = 0) -> None:
        self.respond = respond
        self.latency_s = latency_s
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="stub-server", daemon=True
        )
        self._protocols: set[_Connection] = set()
        self.waiting: set[asyncio.Task[None]] = set()  # answers that wait for the latency
        self._server: asyncio.Server | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all counts, records and schedules; latency and respond function stay."""
        self.schedule: deque[StubAnswer | int] = deque()
        self.always: StubAnswer | None = None
        self.rejects: frozenset[str] = frozenset()
        self.bodies: deque[dict[str, Any]] = deque(maxlen=_MOST_RECORDED)
        self.headers: deque[dict[str, str]] = deque(maxlen=_MOST_RECORDED)
        self.calls = 0
        self.embeddings = 0
        self.connections = 0
        self.in_flight = 0
        self.max_in_flight = 0

    def answer_with(self, *answers: StubAnswer | int) -> None:
        """Put answers for the next requests on the schedule."""
        self.schedule.extend(answers)

    @property
    def base_url(self) -> str:
        """The address to give as `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Connection(self, self._protocols), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._protocols):
            connection.close()
        for task in self.waiting:
            task.cancel()
        await asyncio.gather(*self.waiting, return_exceptions=True)

    def answer(self, body: dict[str, Any]) -> StubAnswer:
        """Count the request and take its answer from the schedule."""
        if "input" in body:
            self.embeddings += 1
        else:
            self.calls += 1
        self.bodies.append(body)
        asked_format = (body.get("response_format") or {}).get("type")
        if asked_format in self.rejects:
            return StubAnswer(
                status=400, message=f"response_format {asked_format} is not supported by this model"
            )
        if self.schedule:
            scheduled = self.schedule.popleft()
            return StubAnswer(status=scheduled) if isinstance(scheduled, int) else scheduled
        return self.always or StubAnswer()


class _Connection(asyncio.Protocol):
    """One kept-alive connection: parses requests by hand, because a web framework would cost more than the model."""

    def __init__(self, stub: StubServer, protocols: set[_Connection]) -> None:
        self._stub = stub
        self._protocols = protocols
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._protocols.add(self)
        self._stub.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._protocols.discard(self)

    def close(self) -> None:
        """Close the connection, whatever is being answered on it."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            request_line, *header_lines = head.split(b"\r\n")
            headers = {}
            for line in header_lines:
                name, _, value = line.partition(b":")
                headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._take(request_line, headers, rest[:length])

    def _take(self, request_line: bytes, headers: dict[str, str], content: bytes) -> None:
        method, path, *_ = request_line.split(b" ")
        if method != b"POST" or path not in (*_CHAT_PATHS, *_EMBEDDING_PATHS):
            all_there_is = "POST /v1/chat/completions and /v1/embeddings are all there is"
            self._write(StubAnswer(status=404, message=all_there_is), {})
            return
        try:
            body = json.loads(content)
        except ValueError:
            self._write(StubAnswer(status=400, message="the body is not JSON"), {})
            return
        is_embedding = path in _EMBEDDING_PATHS
        if is_embedding != ("input" in body):
            needed = "input" if is_embedding else "messages and no input"
            self._write(StubAnswer(status=400, message=f"the body must have {needed}"), {})
            return
        stub = self._stub
        stub.headers.append(headers)
        answer = stub.answer(body)
        if answer.hang:
            return
        stub.in_flight += 1
        stub.max_in_flight = max(stub.max_in_flight, stub.in_flight)
        if stub.latency_s > 0:
            waiting = asyncio.get_running_loop().create_task(self._finish_later(answer, body))
            stub.waiting.add(waiting)
            waiting.add_done_callback(stub.waiting.discard)
        else:
            self._finish(answer, body)

    async def _finish_later(self, answer: StubAnswer, body: dict[str, Any]) -> None:
        """Answer after the latency; the model thinks meanwhile, in a thread, and nobody else's answer waits for it."""
        began, latency_s = time.monotonic(), self._stub.latency_s
        if answer == StubAnswer() and "input" not in body:
            text = await asyncio.to_thread(self._stub.respond, body)
            answer = replace(answer, text=text)
        await asyncio.sleep(latency_s - (time.monotonic() - began))
        self._finish(answer, body)

    def _finish(self, answer: StubAnswer, body: dict[str, Any]) -> None:
        self._stub.in_flight -= 1
        if answer.drop:
            self.close()
        else:
            self._write(answer, body)

    def _write(self, answer: StubAnswer, body: dict[str, Any]) -> None:
        if self._transport is None:
            return
        status = answer.status
        if answer.raw is not None:
            content = answer.raw.encode()
        elif status >= 400:
            error = {"message": answer.message, "type": "stub_error", "code": answer.code or None}
            content = json.dumps({"error": error}).encode()
        elif "input" in body:
            content = json.dumps(_embeddings(body)).encode()
        else:
            text = answer.text if answer.text is not None else self._stub.respond(body)
            content = json.dumps(_completion(body, text, answer.finish_reason)).encode()
        lines = [
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}",
            "Content-Type: application/json",
        ]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""])
        self._transport.write(head.encode() + content)


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [_embedding(str(text), body.get("dimensions") or _DIMENSIONS) for text in texts]
    if body.get("encoding_format") == "base64":
        coded = [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
    else:
        coded = [list(vector) for vector in vectors]  # type: ignore[misc]  # one or the other
    tokens = sum(len(str(text)) for text in texts) // 4 + 1
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(coded)
        ],
        "model": body.get("model", ""),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _embedding(text: str, dimensions: int) -> array[float]:
    """The text's words, each counted in a place that its hash names; of length 1."""
    counts = array("f", bytes(4 * dimensions))
    for word in re.findall(r"\w+", text.lower()):
        counts[zlib.crc32(word.encode()) % dimensions] += 1.0
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return array("f", (count / length for count in counts))


def _completion(body: dict[str, Any], text: str, finish_reason: str) -> dict[str, Any]:
    asked = sum(len(str(message.get("content") or "")) for message in body.get("messages", ()))
    tokens = {"prompt_tokens": asked // 4 + 1, "completion_tokens": len(text) // 4 + 1}
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {**tokens, "total_tokens": sum(tokens.values())},
    }


def main(arguments: Iterable[str] | None = None) -> None:
    """Serve the demo model until interrupted."""
    from annotator.demo.model import respond

    parser = argparse.ArgumentParser(
        description="Serve the demo model over OpenAI's chat protocol."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--latency-ms", type=float, default=0.0, help="time from a request to its answer"
    )
    options = parser.parse_args(None if arguments is None else list(arguments))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with StubServer(respond, latency_s=options.latency_ms / 1000, port=options.port) as stub:
        sys.stdout.write(f"The demo model answers at {stub.base_url}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write(f"{stub.calls} requests, at most {stub.max_in_flight} at one time\n")


if __name__ == "__main__":
    main()
