"""What a client asks before anything else. Both answers need neither a token nor the database."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from annotator.ingest.door import json_response

# A version of MLflow, because its client decides by it how to send spans, and remembers that for good.
MLFLOW_VERSION = "3.18.0"


def version(request: HttpRequest) -> HttpResponse:
    """Which server this speaks like."""
    return HttpResponse(MLFLOW_VERSION, content_type="text/plain; charset=utf-8")


def server_info(request: HttpRequest) -> HttpResponse:
    """What of MLflow's optional parts there is."""
    return json_response(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "artifact_serving_enabled": True,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "artifacts_presigned_only": False,
        }
    )
