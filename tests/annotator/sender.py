"""A program that sends traces, as tests speak for it, and the trace that it sends."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from annotator.models import Experiment
from tests.otlp_payloads import START, span, trace_id

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
A = trace_id("a")

ROOT = span(
    1,
    name="answer",
    length_ms=83,
    attributes={
        "mlflow.spanType": "CHAIN",
        "mlflow.spanInputs": {"question": "capital of France?"},
        "mlflow.spanOutputs": "Paris é ✓",
        "session.id": "session-1",
        "user.id": "u1",
        "mlflow.traceTag.stage": "test",
    },
)
CHILD = span(
    2,
    parent=1,
    name="model",
    start_ms=1,
    length_ms=2,
    attributes={"f": 1.5, "i": 5, "whole": 5.0, "b": True, "l": [1, [], {}], "n": None, "o": {}},
    events=[{"timeUnixNano": str(START + 1), "name": "ev", "attributes": []}],
    links=[{"traceId": "ab" * 16, "spanId": "cd" * 8}],
    status={"code": 2, "message": "It broke."},
)


class Sender:
    """A program with a token, as the tests speak for it."""

    def __init__(self, client: Client, token: str, experiment: Experiment) -> None:
        self.client = client
        self.experiment = experiment
        self.headers = {
            "authorization": f"Bearer {token}",
            "x-mlflow-experiment-id": experiment.wire_id,
        }

    def export(self, body: bytes, kind: str = "application/x-protobuf", **headers: str):
        return self.client.post(
            "/v1/traces",
            body,
            content_type=kind,
            headers=self.headers | {key.replace("_", "-"): text for key, text in headers.items()},
        )

    def start(self, name: str = "a", **fields: Any):
        return self.json(
            "POST", f"{V3}/traces", {"trace": {"trace_info": self.info(name, **fields)}}
        )

    def info(self, name: str = "a", **fields: Any) -> dict[str, Any]:
        return {
            "trace_id": trace_id(name),
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": self.experiment.wire_id},
            },
            "request_time": "2026-11-23T07:07:09.856Z",
            "execution_duration": "0.083s",
            "state": "OK",
            **fields,
        }

    def json(self, method: str, path: str, data: dict[str, Any]):
        return self.client.generic(
            method, path, json.dumps(data), content_type="application/json", headers=self.headers
        )

    def get(self, path: str):
        return self.client.get(path, headers=self.headers)

    def trace(self, name: str = "a"):
        answer = self.get(f"{V3}/traces/get?trace_id={trace_id(name)}&allow_partial=False")
        assert answer.status_code == 200, answer.content
        return answer.json()["trace"]

    def put(self, path: str, body: bytes):
        return self.client.put(
            f"{FILES}/{path}", body, content_type="text/plain", headers=self.headers
        )


def decoded(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes as the client reads them."""

    def value(encoded: dict[str, Any]) -> Any:
        for kind, inside in encoded.items():
            if kind == "array_value":
                return [value(item) for item in inside.get("values", [])]
            if kind == "kvlist_value":
                return decoded(inside.get("values", []))
            return inside
        return None

    return {pair["key"]: value(pair.get("value", {})) for pair in pairs}
