"""The gateway against a server that fails in every way a provider fails."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import Any

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from judges import llm
from judges.errors import (
    Cancelled,
    ProviderAuthError,
    ProviderError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from judges.llm import (
    Gateway,
    ModelCall,
    Reply,
    current_gateway,
    register_local_provider,
    use_gateway,
)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the gateway would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(Gateway, "_wait", lambda self, seconds: waited.append(seconds))
    return waited


class Kept(dict[str, Reply]):
    """An answer store."""

    def put(self, key: str, reply: Reply) -> None:
        self[key] = reply


@pytest.mark.parametrize(
    ("failure", "kind", "says"),
    [
        (400, ProviderRequestError, "refused the request to gpt-4.1-mini (400): scheduled failure"),
        (401, ProviderAuthError, "refused the key for gpt-4.1-mini (401). Set OPENAI_API_KEY"),
        (403, ProviderAuthError, "(403). Set OPENAI_API_KEY"),
        (404, ProviderRequestError, "does not know the model gpt-4.1-mini (404)"),
        (422, ProviderRequestError, "refused the request"),
        (StubAnswer(status=400, message="rate limit"), ProviderRequestError, "(400): rate limit"),
        (StubAnswer(status=429, code="insufficient_quota"), ProviderError, "quota"),
        (StubAnswer(raw="<html>"), ProviderError, "check the base URL"),
        (StubAnswer(raw='{"status": "ok"}'), ProviderError, "check the base URL"),
    ],
)
def test_a_failure_for_good_is_sent_once_and_says_what_to_do(
    stub: StubServer, call: ModelCall, failure: Any, kind: type[ProviderError], says: str
) -> None:
    stub.always = StubAnswer(status=failure) if isinstance(failure, int) else failure
    with pytest.raises(ProviderError) as error:
        Gateway().complete(call)
    assert type(error.value) is kind
    assert not error.value.retryable
    assert says in str(error.value)
    assert stub.base_url in str(error.value)
    assert stub.calls == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (StubAnswer(status=408), ProviderTimeoutError),
        (StubAnswer(status=409), ProviderUnavailableError),
        (StubAnswer(status=429), ProviderRateLimitError),
        (StubAnswer(status=500), ProviderUnavailableError),
        (StubAnswer(status=503), ProviderUnavailableError),
        (StubAnswer(drop=True), ProviderUnavailableError),
        (StubAnswer(raw='{"error": {"message": "busy", "code": 502}}'), ProviderUnavailableError),
        (StubAnswer(raw='{"choices": [{"message": null}]}'), ProviderUnavailableError),
    ],
)
def test_a_failure_that_may_pass_is_sent_again_with_growing_waits(
    stub: StubServer,
    call: ModelCall,
    waits: list[float],
    failure: StubAnswer,
    kind: type[ProviderError],
) -> None:
    stub.always = failure
    with pytest.raises(kind) as error:
        Gateway(max_attempts=4).complete(call)
    assert error.value.retryable
    assert "Traceback" not in str(error.value)
    assert stub.calls == 4
    assert len(waits) == 3
    assert all(wait <= longest for wait, longest in zip(waits, (1, 2, 4), strict=True))


def test_a_call_that_succeeds_at_last_counts_once(
    stub: StubServer, call: ModelCall, waits: list[float]
) -> None:
    stub.answer_with(500, 429, 503)
    gateway = Gateway()
    gateway.complete(call)
    assert stub.calls == 4
    assert gateway.usage.calls == 1


def test_the_provider_says_how_long_to_wait(
    stub: StubServer, call: ModelCall, waits: list[float]
) -> None:
    stub.answer_with(
        StubAnswer(status=429, headers={"Retry-After": "7"}),
        StubAnswer(status=503, headers={"Retry-After": "Fri, 01 Jan 2021 00:00:00 GMT"}),
        StubAnswer(status=503, headers={"Retry-After": "soon"}),
    )
    Gateway().complete(call)
    assert waits[0] == 7.0
    assert len(waits) == 3


def test_a_provider_that_wants_to_wait_for_long_is_an_error_now(
    stub: StubServer, call: ModelCall
) -> None:
    stub.always = StubAnswer(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ProviderRateLimitError) as error:
        Gateway().complete(call)
    assert error.value.retry_after == 3600
    assert stub.calls == 1


def test_a_server_that_hangs_times_out(stub: StubServer, call: ModelCall) -> None:
    stub.always = StubAnswer(hang=True)
    with pytest.raises(ProviderTimeoutError, match=r"within 0\.2 s"):
        Gateway(timeout_s=0.2, max_attempts=1).complete(call)


def test_a_refused_connection_names_the_address(call: ModelCall) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ProviderUnavailableError, match=f"No connection to openai at {address}"):
        Gateway(max_attempts=1).complete(replace(call, base_url=address))


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        ("nobody:/model", ProviderRequestError, "There is no provider “nobody”"),
        ("openai:/gpt-4.1-mini", ProviderAuthError, "Set OPENAI_API_KEY"),
        ("anthropic:/claude-sonnet-4-5", ProviderAuthError, "Set ANTHROPIC_API_KEY"),
        ("gemini:/gemini-2.5-flash", ProviderAuthError, "Set GEMINI_API_KEY"),
    ],
)
def test_an_unknown_provider_or_a_missing_key_is_said_before_any_connection(
    call: ModelCall,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    kind: type[ProviderError],
    says: str,
) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(kind) as error:
        Gateway().complete(replace(call, model=model, base_url=None))
    assert says in str(error.value)


def test_other_openai_compatible_providers_are_reached_through_litellm_too(
    stub: StubServer, call: ModelCall
) -> None:
    stub.answer_with(StubAnswer(status=429, headers={"Retry-After": "0"}), 500)
    reply = Gateway(max_attempts=1)
    with pytest.raises(ProviderRateLimitError):
        reply.complete(replace(call, model="hosted_vllm:/llama"))
    with pytest.raises(ProviderUnavailableError):
        reply.complete(replace(call, model="hosted_vllm:/llama"))
    assert stub.calls == 2
    assert reply.complete(replace(call, model="hosted_vllm:/llama")).usage.cost is None


def test_cancelling_ends_the_wait_between_two_attempts(
    stub: StubServer, call: ModelCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm, "_FIRST_BACKOFF_S", 1e9)
    monkeypatch.setattr(llm, "_LONGEST_WAIT_S", 1e9)
    stub.always = StubAnswer(status=500)
    with pytest.raises(Cancelled):
        Gateway(cancelled=lambda: stub.calls > 0).complete(call)
    assert stub.calls == 1


def test_cancelling_ends_the_wait_for_a_free_slot(stub: StubServer, call: ModelCall) -> None:
    asked, release = threading.Event(), threading.Event()

    def respond(body: dict[str, Any]) -> str:
        asked.set()
        release.wait()
        return "done"

    stub.respond = respond
    states = chain([False], repeat(True))
    main = threading.current_thread()
    gateway = Gateway(
        concurrency=1, cancelled=lambda: threading.current_thread() is main and next(states)
    )
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(gateway.complete, call)
        asked.wait()
        try:
            with pytest.raises(Cancelled):
                gateway.complete(call)
        finally:
            release.set()
        assert other.result().text == "done"
    assert stub.calls == 1


def test_nothing_is_sent_once_cancelled(stub: StubServer, call: ModelCall) -> None:
    with pytest.raises(Cancelled):
        Gateway(cancelled=lambda: True).complete(call)
    assert stub.calls == 0


@pytest.mark.parametrize(
    ("model", "is_known"),
    [
        ("openai:/gpt-4.1-mini", True),
        ("openai:/my-model", False),
        ("openai:/claude-opus-4-1-20250805", False),
        ("hosted_vllm:/gpt-4.1-mini", False),
    ],
)
def test_a_price_that_is_not_in_the_list_is_unknown_and_not_zero(
    call: ModelCall, model: str, *, is_known: bool
) -> None:
    cost = Gateway().complete(replace(call, model=model)).usage.cost
    assert (cost is not None) is is_known


def test_tokens_that_the_server_does_not_count_have_no_price(
    stub: StubServer, call: ModelCall
) -> None:
    stub.always = StubAnswer(
        raw='{"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}'
    )
    reply = Gateway().complete(call)
    assert reply.text == "Hi"
    assert reply.usage.cost is None


def test_an_answer_is_bought_once_and_then_comes_from_the_store(
    stub: StubServer, call: ModelCall
) -> None:
    heard: list[bool] = []
    gateway = Gateway(answers=Kept(), on_reply=lambda _, reply: heard.append(reply.cached))
    bought, kept = gateway.complete(call), gateway.complete(call)
    assert kept == replace(bought, cached=True)
    assert heard == [False, True]
    assert stub.calls == gateway.usage.calls == 1


def test_the_same_question_asked_at_one_time_is_bought_once(
    stub: StubServer, call: ModelCall
) -> None:
    stub.latency_s = 0.05
    gateway = Gateway(answers=Kept())
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(gateway.complete, [call] * 8))
    assert stub.calls == 1
    assert sorted(reply.cached for reply in replies) == [False] + [True] * 7


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai:/gpt-4.1"},
        {"messages": ({"role": "user", "content": "Bye"},)},
        {"schema": {"type": "object"}},
        {"inference_params": {"temperature": 1}},
        {"base_url": "http://127.0.0.1:1"},
        {"extra_headers": {"X-Team": "a"}},
        {"nonce": 1},
    ],
)
def test_whatever_can_change_the_answer_changes_the_key(
    call: ModelCall, change: dict[str, Any]
) -> None:
    assert replace(call, **change).key() != call.key()


def test_who_asks_and_how_the_model_is_written_does_not_change_the_key(call: ModelCall) -> None:
    same = replace(call, purpose="reflection", model="openai/gpt-4.1-mini")
    assert same.key() == call.key()


def test_never_more_calls_are_in_flight_than_granted(stub: StubServer, call: ModelCall) -> None:
    stub.latency_s = 0.05
    gateway = Gateway(concurrency=3)
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(gateway.complete, [call] * 12))
    assert 1 < stub.max_in_flight <= 3


def test_connections_are_kept_and_used_again(stub: StubServer, call: ModelCall) -> None:
    gateway = Gateway()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(gateway.complete, [call] * 40))
    assert stub.connections <= 4


def test_too_many_requests_halves_the_slots_once_per_volley_and_success_grows_them_back() -> None:
    slots = llm._Slots(8, lambda: None)
    volley = [slots.acquire() for _ in range(8)]
    for began in volley:
        slots.halve(began)
        slots.release()
    assert slots._limit == 4
    slots.halve(slots.acquire())
    slots.release()
    assert slots._limit == 2
    for _ in range(20 * 10):
        slots.succeeded()
    assert slots._limit == 8


def test_the_gateway_slows_down_when_the_provider_asks_for_it(
    stub: StubServer, call: ModelCall, waits: list[float]
) -> None:
    gateway = Gateway(concurrency=8)
    stub.answer_with(429)
    gateway.complete(call)
    stub.latency_s = 0.05
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(gateway.complete, [call] * 8))
    assert stub.max_in_flight <= 4


@pytest.fixture
def local_body() -> list[dict[str, Any]]:
    """Bodies that the local provider `echo` was given."""
    bodies: list[dict[str, Any]] = []

    def respond(body: dict[str, Any]) -> str:
        bodies.append(body)
        return f"You said {body['messages'][-1]['content']}"

    register_local_provider("echo", respond)
    return bodies


def test_a_local_provider_answers_in_this_process_for_nothing(
    call: ModelCall, local_body: list[dict[str, Any]]
) -> None:
    schema = {"type": "object", "properties": {}}
    params = {"temperature": 0.5}
    local = replace(
        call, model="echo:/x", base_url=None, schema=schema, inference_params=params, nonce=3
    )
    reply = Gateway(max_cost=0.01).complete(local)
    assert reply.text == "You said Hello"
    assert reply.usage.cost == 0.0
    (body,) = local_body
    assert (body["model"], body["temperature"], body["seed"]) == ("x", 0.5, 3)
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_a_bug_in_a_local_provider_comes_up_at_once(call: ModelCall) -> None:
    asked = 0

    def respond(body: dict[str, Any]) -> str:
        nonlocal asked
        asked += 1
        raise KeyError("no such thing")

    register_local_provider("buggy", respond)
    with pytest.raises(ProviderError, match="buggy:/x failed: KeyError: 'no such thing'") as error:
        Gateway().complete(replace(call, model="buggy:/x", base_url=None))
    assert not error.value.retryable
    assert asked == 1


def test_a_local_provider_can_be_registered_anew(call: ModelCall) -> None:
    local = replace(call, model="changing:/x", base_url=None)
    for text in ("first", "second"):
        register_local_provider("changing", partial(str.format, text))
        assert Gateway().complete(local).text == text


def test_the_gateway_in_use_is_that_of_the_block() -> None:
    shared = current_gateway()
    with use_gateway(Gateway()) as outer:
        with use_gateway(Gateway()) as inner:
            assert current_gateway() is inner
        assert current_gateway() is outer
    assert current_gateway() is shared
