"""Files that belong to traces, such as pictures in a conversation, kept in the data folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path

from django.conf import settings

from annotator.models import Team


def write_attachment(*, team: Team, trace_id: str, name: str, content: bytes) -> Path:
    """Keep a file of a trace, in place of one with its name; whole or not at all.

    Args:
        name: Letters, digits and `.-_`, not beginning with a dot; the caller has checked it.
    """
    path = attachment_path(team=team, trace_id=trace_id, name=name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def attachment_path(*, team: Team, trace_id: str, name: str) -> Path:
    """Where a file of a trace is, if it is there at all."""
    return _folder(team, trace_id) / name


def delete_attachments(*, team: Team, trace_id: str) -> None:
    """Delete all files of a trace."""
    shutil.rmtree(_folder(team, trace_id), ignore_errors=True)


def _folder(team: Team, trace_id: str) -> Path:
    # Hashed, because a trace's id may hold anything; a folder of two digits keeps each of them small.
    digest = hashlib.sha256(trace_id.encode()).hexdigest()
    return Path(settings.DATA_DIR) / "attachments" / str(team.pk) / digest[:2] / digest
