"""A program that talks to the door, as MLflow's client does: JSON, a token, no cookie."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from annotator.models import Team, User
from tests.factories import create_token

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"


class Program:
    """Sends requests with one person's token; `ok` are those that must succeed and return the JSON."""

    def __init__(
        self, user: User, *, team: Team | None = None, scopes: Collection[str] | None = None
    ) -> None:
        self.secret = create_token(user=user, team=team, scopes=scopes)
        self._client = Client(enforce_csrf_checks=True)

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> HttpResponse:
        """The answer to a request; the body is sent as JSON unless it is bytes."""
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        answer = self._client.generic(
            method,
            address,
            raw,
            content_type="application/json",
            headers={"authorization": f"Bearer {self.secret}"},
        )
        assert isinstance(answer, HttpResponse)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of a request that succeeds."""
        answer = self.send(method, path, body, **query)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """The status and the error code of a request that does not succeed; it has a message in any case."""
        answer = self.send(method, path, body, **query)
        data = json.loads(answer.content)
        assert data["message"]
        return answer.status_code, data["error_code"]


def feedback(name: str = "quality", value: Any = "good", **fields: Any) -> dict[str, Any]:
    """An assessment as `log_feedback` sends it."""
    return {
        "assessment_name": name,
        "source": {"source_type": "HUMAN", "source_id": "customer"},
        "create_time": "2026-11-23T07:07:15.849Z",
        "last_update_time": "2026-11-23T07:07:15.849Z",
        "feedback": {"value": value},
        "valid": True,
        **fields,
    }


def expectation(value: Any, name: str = "answer", **fields: Any) -> dict[str, Any]:
    """An assessment as `log_expectation` sends it; `value` is the whole of the expectation."""
    data = feedback(name, **fields)
    del data["feedback"]
    return {**data, "expectation": value}


def source(kind: str, name: str) -> dict[str, Any]:
    """The field that says who gave an assessment."""
    return {"source": {"source_type": kind, "source_id": name}}
