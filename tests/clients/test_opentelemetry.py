"""OpenTelemetry without mlflow: the SDK's exporter, and JSON by hand; the usual conventions read well."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from django.test import Client as Browser

from annotator.models import Experiment, Trace, TraceState, User
from tests.clients.conftest import Door
from tests.clients.environments import Clients
from tests.clients.pages import page_of

MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}]
REPLY = [{"role": "assistant", "parts": [{"type": "text", "content": "It arrives on Friday."}]}]
GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4.1-mini",
    "gen_ai.input.messages": json.dumps(MESSAGES),
    "gen_ai.output.messages": json.dumps(REPLY),
    "gen_ai.usage.input_tokens": 11,
    "gen_ai.usage.output_tokens": 6,
    "gen_ai.conversation.id": "chat-9",
}
OPENINFERENCE = {
    "openinference.span.kind": "CHAIN",
    "input.value": '{"question": "Where is my parcel?"}',
    "input.mime_type": "application/json",
    "output.value": '{"answer": "It arrives on Friday."}',
    "output.mime_type": "application/json",
    "session.id": "chat-9",
    "user.id": "ann",
}
RETRIEVER = {
    "openinference.span.kind": "RETRIEVER",
    "input.value": "parcel",
    "retrieval.documents.0.document.content": "Parcels take two days.",
}
MLFLOW = {
    "mlflow.spanInputs": '{"question": "Where is my parcel?"}',
    "mlflow.spanOutputs": '{"answer": "It arrives on Friday."}',
    "mlflow.spanType": "CHAIN",
}


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("root", [OPENINFERENCE, MLFLOW], ids=["openinference", "mlflow"])
def test_the_sdk_s_traces_read_well(
    root: dict[str, Any],
    gzip: bool,
    clients: Clients,
    door: Door,
    team_experiment: Experiment,
    lena: User,
    client: Browser,
) -> None:
    trace_id = door.call(
        clients.get("opentelemetry"),
        "opentelemetry_sdk.send",
        experiment=str(team_experiment.pk),
        gzip=gzip,
        spans=[
            ["answer", None, root, None],
            ["find", "answer", RETRIEVER, None],
            ["ask model", "answer", GENAI, None],
        ],
    )
    trace = Trace.objects.get(trace_id=trace_id)
    assert trace.experiment == team_experiment
    assert trace.state == TraceState.OK
    assert trace.inputs == {"question": "Where is my parcel?"}
    assert trace.outputs == {"answer": "It arrives on Friday."}
    spans = {span.name: span for span in trace.spans.all()}
    assert [spans[name].span_type for name in ("answer", "find", "ask model")] == [
        "CHAIN",
        "RETRIEVER",
        "CHAT_MODEL",
    ]
    client.force_login(lena)
    assert "Where is my parcel?" in page_of(client, "/traces/")
    page = page_of(client, f"/trace/{trace_id}?view=steps")
    assert "It arrives on Friday." in page
    assert "ask model" in page


def test_a_chat_in_genai_s_conventions_reads_as_a_chat(
    clients: Clients, door: Door, team_experiment: Experiment, lena: User, client: Browser
) -> None:
    trace_id = door.call(
        clients.get("opentelemetry"),
        "opentelemetry_sdk.send",
        experiment=str(team_experiment.pk),
        gzip=True,
        spans=[["chat gpt-4.1-mini", None, GENAI, "no more tokens"]],
    )
    trace = Trace.objects.get(trace_id=trace_id)
    assert trace.state == TraceState.ERROR
    assert trace.conversation_id == "chat-9"
    assert [message["role"] for message in trace.messages] == ["user", "assistant"]
    client.force_login(lena)
    page = page_of(client, f"/trace/{trace_id}")
    assert "Where is my parcel?" in page
    assert "It arrives on Friday." in page


def body(trace_id: str, **attributes: str) -> dict[str, Any]:
    """An OTLP/JSON request of one span."""
    span = {
        "traceId": trace_id,
        "spanId": "00f067aa0ba902b7",
        "name": "answer",
        "kind": 1,
        "startTimeUnixNano": "1795417629940027382",
        "endTimeUnixNano": "1795417630940027382",
        "attributes": [
            {"key": key, "value": {"stringValue": value}} for key, value in attributes.items()
        ],
        "status": {"code": 1},
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def post(door: Door, content: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer."""
    request = urllib.request.Request(
        f"{door.url}/v1/traces",
        content,
        {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {door.token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_json_by_hand_makes_the_same_trace_twice_once(
    door: Door, team_experiment: Experiment
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    content = json.dumps(
        body(trace_id, **{"input.value": '{"q": "?"}', "output.value": "!"})
    ).encode()
    for _ in range(2):
        assert post(door, content, X_MLflow_Experiment_Id=str(team_experiment.pk)) == (200, {})
    trace = Trace.objects.get()
    assert trace.trace_id == f"tr-{trace_id}"
    assert (trace.inputs, trace.outputs) == ({"q": "?"}, "!")
    assert trace.duration_ms == 1000
    span = trace.spans.get()
    assert (span.start_ns, span.end_ns) == (1795417629940027382, 1795417630940027382)


def test_json_that_cannot_be_read_is_named_and_nothing_of_it_is_stored(
    door: Door, team_experiment: Experiment
) -> None:
    experiment = {"X_MLflow_Experiment_Id": str(team_experiment.pk)}
    good = body("4bf92f3577b34da6a3ce929d0e0e4736")
    bad = body("not hexadecimal")
    good["resourceSpans"] += bad["resourceSpans"]
    answers = [
        post(door, b"{", **experiment),
        post(door, json.dumps(good).encode(), **experiment),
        post(door, json.dumps(body("1" * 32)).encode(), X_MLflow_Experiment_Id="987654"),
        post(door, json.dumps(body("1" * 32)).encode(), Content_Encoding="gzip", **experiment),
        post(door, json.dumps(body("1" * 32)).encode(), Content_Type="text/plain", **experiment),
    ]
    assert [status for status, _ in answers] == [400, 400, 404, 400, 400]
    assert all(answer["message"] for _, answer in answers)
    assert not Trace.objects.exists()
