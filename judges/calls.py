"""What is asked of a model and what comes back, as plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from judges.entities import Usage
from judges.errors import InvalidJudgeError

# An extra header whose value is env:NAME is sent with the value of that environment variable, which is never stored.
FROM_ENVIRONMENT = "env:"


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """One question to a model.

    Attributes:
        model: `provider:/model` or `provider/model`.
        messages: Chat messages in OpenAI's form.
        schema: JSON schema that the answer has to follow, or None for free text.
        inference_params: temperature, max_tokens and the like, handed to the provider.
        base_url: Address of an own or proxy server, or None for the provider's.
        extra_headers: HTTP headers to send along; a value `env:NAME` stands for that environment variable.
        nonce: Tells samples of an otherwise identical call apart; sent as `seed`.
        longest_answer: Tokens at which the provider is to cut the answer, because no more money is set aside for it; no
            part of what is asked, and so not of the key.
        purpose: Whether a judge or an optimizer asks; or that the answer is to be the embeddings of the messages, a JSON
            list of vectors.
    """

    model: str
    messages: tuple[dict[str, Any], ...]
    schema: dict[str, Any] | None = None
    inference_params: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    nonce: int | None = None
    longest_answer: int | None = None
    purpose: Literal["judge", "reflection", "embedding"] = "judge"

    def key(self) -> str:
        """A sha256 in hexadecimal of everything that can change the answer."""
        what_matters = {
            "model": "/".join(split_model(self.model)),
            "messages": self.messages,
            "schema": self.schema,
            "inference_params": dict(self.inference_params),
            "base_url": self.base_url,
            "extra_headers": dict(self.extra_headers),
            "nonce": self.nonce,
            "is_embedding": self.purpose == "embedding",
        }
        # The schema keeps its order: the order of its fields is the order of the answer.
        text = json.dumps(what_matters, default=str, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A model's answer.

    Attributes:
        text: The answer as it came.
        usage: What the call took; for an answer from the store, what it took when it was made.
        seconds: How long the call took.
        cached: Whether it came from the answer store.
        truncated: Whether the provider cut it at its token limit.
        served_by: What the provider says has answered, such as a dated version of the model; empty when it says nothing.
    """

    text: str
    usage: Usage
    seconds: float
    cached: bool = False
    truncated: bool = False
    served_by: str = ""


class AnswerStore(Protocol):
    """Keeps answers, so that a repeated run does not pay twice. Used by many threads."""

    def get(self, key: str) -> Reply | None:
        """The answer kept under `ModelCall.key()`, or None."""

    def put(self, key: str, reply: Reply) -> None:
        """Keep an answer."""


def split_model(uri: str) -> tuple[str, str]:
    """Provider and model of `provider:/model` or `provider/model`.

    Raises:
        InvalidJudgeError: when the URI has neither form.
    """
    provider, found, model = uri.partition(":/")
    if not found or "/" in provider:
        provider, found, model = uri.partition("/")
    if (
        not found
        or not provider
        or not model
        or model.startswith("/")
        or ":" in provider
        or uri.split() != [uri]
    ):
        raise InvalidJudgeError(
            f"“{uri}” is not the address of a model: write provider:/model, for example openai:/gpt-4.1-mini."
        )
    return provider, model
