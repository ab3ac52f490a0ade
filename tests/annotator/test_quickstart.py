"""`make run`, as it really is: its processes, its link, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from contextlib import closing
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.processes import ROOT, Site, eventually


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Shows a redirect instead of following it."""

    def redirect_request(self, *_: Any) -> None:
        """Not followed."""


def get(url: str) -> tuple[int, str, Message]:
    """Status, text and headers as a visitor without cookies gets them."""
    try:
        answer = urllib.request.build_opener(NoRedirect).open(url, timeout=20)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, answer.read().decode(), answer.headers


def worker_pids(site: Site) -> list[int]:
    """The main processes of workers heard of lately, the freshest first; a worker's name ends with it."""
    health = json.loads(get(f"{site.url}/healthz")[1])
    names = [row["name"] for row in health["workers"] if row["alive"]]
    return [int(name.split()[-1]) for name in names if name != "starting"]


def rows_in(site: Site) -> dict[str, int]:
    tables = ["annotator_trace", "annotator_assessment", "annotator_user", "annotator_judgeversion"]
    with closing(sqlite3.connect(site.folder / "annotator.sqlite3")) as database:
        return {
            table: database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608 - names from above
            for table in tables
        }


def test_start_sign_in_survive_stop_and_start_again(site: Site):
    first = site.start()
    link = site.link
    assert link.startswith(f"{site.url}/start/")

    status, _, headers = get(link)
    assert (status, headers["Location"]) == (HTTPStatus.FOUND, "/")
    assert any(cookie.startswith("sessionid=") for cookie in headers.get_all("Set-Cookie", []))
    status, text, headers = get(link)
    assert status == HTTPStatus.FORBIDDEN
    assert "has been used already" in text
    assert "default-src 'self'" in headers["Content-Security-Policy"]

    assert eventually(lambda: worker_pids(site))
    killed = worker_pids(site)[0]
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: worker_pids(site)[0] != killed), first.text

    first.send(signal.SIGINT)
    assert first.wait() == 0
    assert "all data is kept" in first.text
    assert site.processes() == []
    rows = rows_in(site)
    assert rows["annotator_trace"] >= 150

    second = site.start()
    assert site.link != link
    assert rows_in(site) == rows
    second.popen.kill()
    assert eventually(lambda: not site.processes()), "processes outlived the one that watched them"


def test_a_busy_port_is_one_sentence(site: Site):
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", site.port))
        listener.listen()
        code, text = site.run("quickstart")
    assert code == 2
    assert f"Port {site.port} cannot be used (address already in use)" in text
    assert f"PORT={site.port + 1} make run" in text
    assert text.count("\n") == 1


def test_a_data_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").touch()
    code, text = Site(tmp_path / "file/data").run("quickstart")
    assert code == 2
    assert "cannot be written (not a directory); set ANNOTATOR_DATA to a folder that can." in text
    assert text.count("\n") == 1


def test_a_read_only_data_folder_is_one_sentence():
    code, text = Site(Path("/proc/annotator")).run("quickstart")
    assert code == 2
    assert "The data folder /proc/annotator cannot be written" in text
    assert text.count("\n") == 1


def test_too_old_a_python_is_one_sentence(tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.18 && exit 0\nexit 1\n')
    old.chmod(0o755)
    made = subprocess.run(
        ["make", "run", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        # this may itself run below make, which would tell its child
        env={name: value for name, value in os.environ.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 2
    assert made.stdout == ""
    assert made.stderr.splitlines()[0] == (
        f"Annotator needs Python 3.11 or newer, and '{old}' is Python 3.9.18; "
        "name another one: make run PYTHON=/path/to/python3.12"
    )
    assert not (tmp_path / "venv").exists()
