"""Headers whose value is a secret: named in the judge, looked up when the call is sent, kept nowhere."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from judges import InstructionsJudge
from judges.errors import InvalidJudgeError, JudgeCallError, ProviderAuthError

SECRET = "s3cr3t-of-the-proxy"


@pytest.fixture
def judge(judge: InstructionsJudge) -> InstructionsJudge:
    """A judge that sends one secret and one plain header."""
    return replace(judge, extra_headers={"X-Proxy-Key": "env:PROXY_KEY", "X-Team": "support"})


def test_the_value_is_that_of_the_environment_when_the_call_is_sent(
    stub: StubServer, judge: InstructionsJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_KEY", f"{SECRET}\n")
    judge(inputs="Hello?", outputs="Hello!")
    monkeypatch.setenv("PROXY_KEY", "another")
    judge(inputs="Hello?", outputs="Hello!")
    assert [sent["x-proxy-key"] for sent in stub.headers] == [SECRET, "another"]
    assert {sent["x-team"] for sent in stub.headers} == {"support"}


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_variable_is_named_before_anything_is_sent(
    stub: StubServer,
    judge: InstructionsJudge,
    monkeypatch: pytest.MonkeyPatch,
    value: str | None,
) -> None:
    monkeypatch.delenv("PROXY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("PROXY_KEY", value)
    with pytest.raises(ProviderAuthError, match="Set PROXY_KEY for the workers") as refused:
        judge(inputs="Hello?", outputs="Hello!")
    assert not refused.value.retryable
    assert stub.calls == 0


def test_a_value_that_no_header_can_carry_is_refused_without_repeating_it(
    stub: StubServer, judge: InstructionsJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_KEY", f"{SECRET}\nX-Evil: 1")
    with pytest.raises(ProviderAuthError, match="PROXY_KEY cannot be sent") as refused:
        judge(inputs="Hello?", outputs="Hello!")
    assert SECRET not in str(refused.value)
    assert stub.calls == 0


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_provider_that_repeats_the_secret_does_not_bring_it_into_an_error_or_the_log(
    stub: StubServer,
    judge: InstructionsJudge,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    monkeypatch.setenv("PROXY_KEY", SECRET)
    stub.always = StubAnswer(status=status, message=f"{'x' * 280} the key {SECRET} is wrong")
    with caplog.at_level(logging.INFO), pytest.raises(JudgeCallError) as failed:
        judge(inputs="Hello?", outputs="Hello!")
    assert stub.calls >= 1
    assert "s3cr3t" not in str(failed.value)
    assert "s3cr3t" not in caplog.text


def test_the_stored_form_of_the_judge_has_the_name_alone(
    judge: InstructionsJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_KEY", SECRET)
    stored = json.dumps(judge.to_dict())
    assert SECRET not in stored
    assert InstructionsJudge.from_dict(json.loads(stored)) == judge


@pytest.mark.parametrize("value", ["env:", "env: MY_KEY", "env:MY-KEY", "env:1ST"])
def test_what_names_no_variable_is_refused_when_the_judge_is_made(
    judge: InstructionsJudge, value: str
) -> None:
    with pytest.raises(InvalidJudgeError, match="name of an environment variable"):
        replace(judge, extra_headers={"X-Proxy-Key": value})


@pytest.mark.parametrize("variable", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_secrets_of_the_program_itself_are_never_sent(
    judge: InstructionsJudge, variable: str
) -> None:
    with pytest.raises(InvalidJudgeError, match="must not send"):
        replace(judge, extra_headers={"X-Proxy-Key": f"env:{variable}"})
