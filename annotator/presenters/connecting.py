"""What to paste so that a program sends its traces here: for MLflow's client, for OpenTelemetry, and for curl."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

PLACEHOLDER = "YOUR_TOKEN"


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Lines for a shell.

    Attributes:
        title: Whom they are for.
        text: The lines.
        note: What to do then, or what to know.
    """

    title: str
    text: str
    note: str


def snippets(address: str, token: str) -> list[Snippet]:
    """The lines, filled in.

    Args:
        address: Where this server is, with scheme and without a slash at the end.
        token: The token; empty for a placeholder.
    """
    token = token or PLACEHOLDER
    return [
        Snippet(
            title="MLflow",
            text=(
                f"export MLFLOW_TRACKING_URI={address}\n"
                f"export MLFLOW_TRACKING_TOKEN={token}\n"
                "export MLFLOW_EXPERIMENT_NAME=my-app"
            ),
            note="Then start your program as it is. Autologging and @mlflow.trace send their traces here.",
        ),
        Snippet(
            title="OpenTelemetry",
            text=(
                f"export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={address}/v1/traces\n"
                "export OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf\n"
                "export OTEL_EXPORTER_OTLP_TRACES_HEADERS="
                f'"authorization={quote(f"Bearer {token}")},x-mlflow-experiment-id=0"'
            ),
            note="Experiment 0 is your team's default one; the id of another one stands in its address.",
        ),
        Snippet(
            title="curl", text=_curl(address, token), note="Sends one trace, to see it arrive."
        ),
    ]


def _curl(address: str, token: str) -> str:
    span = {
        "traceId": "TRACE",
        "spanId": "SPAN",
        "name": "hello",
        "startTimeUnixNano": "NOW",
        "endTimeUnixNano": "NOW",
        "attributes": [
            {"key": "input.value", "value": {"stringValue": "Where is my parcel?"}},
            {"key": "output.value", "value": {"stringValue": "It arrives tomorrow."}},
        ],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    # Outside the single quotes, so that the shell fills them in anew each time.
    for word, command in (
        ("TRACE", "openssl rand -hex 16"),
        ("SPAN", "openssl rand -hex 8"),
        ("NOW", "date +%s000000000"),
    ):
        body = body.replace(f'"{word}"', f"\"'$({command})'\"")
    return (
        f'curl {address}/v1/traces -H "Authorization: Bearer {token}" \\\n'
        '  -H "Content-Type: application/json" -H "x-mlflow-experiment-id: 0" \\\n'
        f"  -d '{body}'"
    )
