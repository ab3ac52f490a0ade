"""A local HTTP server in place of a provider, so that tests go through the real LiteLLM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from annotator.demo.http_stub import StubServer
from judges import InstructionsJudge, make_judge, providers
from judges.calls import ModelCall


def answer(result: Any, rationale: str = "Because.") -> str:
    """A well-formed answer of a judge."""
    return json.dumps({"rationale": rationale, "result": result})


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer(lambda body: answer(True)) as server:
        yield server


@pytest.fixture
def stub(server: StubServer, monkeypatch: pytest.MonkeyPatch) -> StubServer:
    """The server with nothing remembered, here or there."""
    server.reset()
    server.respond = lambda body: answer(True)
    server.latency_s = 0.0
    monkeypatch.setattr(providers, "_known_formats", {})
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return server


@pytest.fixture
def judge(stub: StubServer) -> InstructionsJudge:
    """A yes/no judge that asks the stub."""
    return make_judge(
        name="polite",
        instructions="Is {{ outputs }} a polite answer to {{ inputs }}?",
        model="openai:/gpt-4.1-mini",
        feedback_value_type=bool,
        base_url=stub.base_url,
    )


@pytest.fixture
def call(stub: StubServer) -> ModelCall:
    """A question to the stub."""
    return ModelCall(
        model="openai:/gpt-4.1-mini",
        messages=({"role": "user", "content": "Hello"},),
        base_url=stub.base_url,
    )
