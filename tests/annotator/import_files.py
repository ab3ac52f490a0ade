"""Files for `import_traces` in tests: lines as people write them, and the command run over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def line(trace_id: object = "t-1", **fields: Any) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "inputs": {"question": "Why?"},
        "outputs": {"answer": "So."},
        **fields,
    }


def said(value: Any = "good", **fields: Any) -> dict[str, Any]:
    return {
        "name": "quality",
        "value": value,
        "source_type": "HUMAN",
        "source_id": "anna",
        **fields,
    }


def span(**fields: Any) -> dict[str, Any]:
    return {"span_id": "s1", "name": "chat", "start_ns": 1_000, "end_ns": 2_000, **fields}


@pytest.fixture
def write(tmp_path: Path):
    def write(*rows: dict[str, Any] | str | bytes) -> str:
        path = tmp_path / "traces.jsonl"
        path.write_bytes(
            b"".join(
                row
                if isinstance(row, bytes)
                else (row if isinstance(row, str) else json.dumps(row)).encode() + b"\n"
                for row in rows
            )
        )
        return str(path)

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Runs the command; its output, what it refused, and the sentence it failed with."""

    def run(path: str, *options: str, experiment: str = "shop") -> tuple[str, str, str]:
        failure = ""
        try:
            call_command("import_traces", path, "--experiment", experiment, *options)
        except CommandError as error:
            failure = str(error)
        captured = capsys.readouterr()
        return captured.out, captured.err, failure

    return run
