"""A light HTTP client for own servers and proxies that speak OpenAI's protocol.

LiteLLM calls it in place of OpenAI's own client, which takes more CPU time than all the rest of a call. Many calls a
second happen at such servers, so there it counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import httpx

# The gateway bounds what is in flight; connections stay open, because opening one costs more than using it.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30)

_http_client: httpx.Client


class StatusError(Exception):
    """The server answered with an error. The attributes are those that LiteLLM looks for."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = response.text
        super().__init__(message)
        self.message = message
        self.status_code = response.status_code
        self.headers = response.headers
        self.body = response.text


class ForeignAnswerError(Exception):
    """The server answered with something else than a completion."""


class _Answer:
    """A completion, in the disguise of the objects of OpenAI's client."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        try:
            self._content = response.json()
        except ValueError as error:
            raise ForeignAnswerError(response.text) from error
        # Some proxies report an error with status 200; LiteLLM knows how to read it.
        if not isinstance(self._content, dict) or not self._content.keys() & {"choices", "error"}:
            raise ForeignAnswerError(response.text)

    def parse(self) -> _Answer:
        return self

    def model_dump(self) -> Any:
        return self._content


class OpenAIClient:
    """The part of OpenAI's client that LiteLLM uses: `chat.completions.with_raw_response.create`."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.api_key = api_key
        self.chat = self.completions = self.with_raw_response = self
        self._base_url = httpx.URL(base_url)  # LiteLLM logs it
        self._address = base_url.rstrip("/") + "/chat/completions"

    def create(
        self,
        *,
        timeout: float,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> _Answer:
        """Send one request.

        Raises:
            StatusError: when the server answered with an error.
            ForeignAnswerError: when it answered, but not in OpenAI's form.
            httpx.TransportError: when there was no answer.
        """
        response = _http_client.post(
            self._address,
            json={**body, **(extra_body or {})},
            headers={"Authorization": f"Bearer {self.api_key}", **(extra_headers or {})},
            timeout=timeout,
        )
        if response.status_code >= 400:
            raise StatusError(response)
        return _Answer(response)


def _start_anew() -> None:
    global _http_client
    _http_client = httpx.Client(limits=_LIMITS)


# Made while this module loads: many threads come here at once, and each of them would make one of its own.
_start_anew()
os.register_at_fork(after_in_child=_start_anew)  # two processes must not share a connection
