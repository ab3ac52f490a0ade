"""The stub that speaks OpenAI's protocol and counts calls, with the demo model behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from annotator.demo.http_stub import StubServer
from annotator.demo.model import respond
from judges import InstructionsJudge, providers
from tests.alignment.support_desk import desk_judge


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with StubServer(respond) as server:
        yield server


@pytest.fixture
def stub(server: StubServer, monkeypatch: pytest.MonkeyPatch) -> StubServer:
    """The server with nothing remembered, here or there."""
    server.reset()
    server.respond = respond
    monkeypatch.setattr(providers, "_known_formats", {})
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return server


@pytest.fixture
def judge(stub: StubServer) -> InstructionsJudge:
    """The general yes/no judge, asking the stub."""
    return desk_judge(model="openai:/stub", base_url=stub.base_url)
