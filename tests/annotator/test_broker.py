"""The embedded broker's files: read while they are being written, they are whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from annotator import broker


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    broker.register()
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    with Connection(
        f"{broker.SCHEME}://localhost",
        transport_options={
            "data_folder_in": str(tmp_path / "queue"),
            "data_folder_out": str(tmp_path / "queue"),
            "control_folder": str(tmp_path / "control"),
        },
    ) as connection:
        yield connection


# kombu remembers per process which queues there are, so that each test has one of its own


def test_messages_arrive_whole_while_others_are_being_written(
    connection: Connection,
) -> None:
    sent = 200

    def write() -> None:
        with connection.SimpleQueue("whole") as queue:
            for number in range(sent):
                queue.put({"number": number, "padding": "x" * 10_000})

    read: list[int] = []
    with ThreadPoolExecutor(1) as pool, connection.SimpleQueue("whole") as queue:
        writing = pool.submit(write)
        while len(read) < sent:
            try:
                message = queue.get_nowait()
            except Empty:
                continue
            read.append(message.payload["number"])
            message.ack()
        writing.result()
    assert sorted(read) == list(range(sent))


def test_a_message_cut_off_on_the_disk_is_dropped_and_the_next_is_read(
    connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "queue" / "1_broken.cut.msg").write_text("", encoding="utf-8")
    with connection.SimpleQueue("cut") as queue:
        queue.put({"number": 1})
        assert queue.get_nowait().payload == {"number": 1}
