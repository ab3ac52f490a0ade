"""The server that stands in for a provider."""

import base64
import http.client
import json
import signal
import subprocess
import sys
from array import array
from pathlib import Path

import annotator
from annotator.demo.http_stub import StubServer

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def post(connection: http.client.HTTPConnection, path: str, content: str) -> tuple[int, str]:
    connection.request("POST", path, content)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_it_answers_on_one_kept_connection_and_counts(stub: StubServer) -> None:
    stub.respond = lambda body: body["messages"][0]["content"].upper()
    connection = http.client.HTTPConnection("127.0.0.1", stub.port)
    for path in ("/v1/chat/completions", "/chat/completions"):
        status, text = post(connection, path, json.dumps(BODY))
        assert status == 200
        assert json.loads(text)["choices"][0]["message"]["content"] == "HELLO"
    connection.close()
    assert (stub.calls, stub.connections) == (2, 1)
    assert list(stub.bodies) == [BODY, BODY]


def test_nonsense_gets_an_error_and_is_not_counted(stub: StubServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stub.port)
    assert post(connection, "/v1/models", "")[0] == 404
    assert post(connection, "/v1/chat/completions", "{")[0] == 400
    connection.close()
    assert stub.calls == 0


def test_it_runs_alone_with_the_demo_model() -> None:
    command = [sys.executable, "-m", "annotator.demo.http_stub", "--latency-ms", "1"]
    root = Path(annotator.__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        port = int(address.split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        assert post(connection, "/v1/chat/completions", json.dumps(BODY))[0] == 200
        connection.close()
        server.send_signal(signal.SIGTERM)
        assert server.stdout.read().startswith("1 requests")
    assert server.returncode == 0


def test_it_embeds_texts_by_their_words_in_both_forms_that_clients_ask_for(
    stub: StubServer,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stub.port)
    body = {"model": "m", "input": ["red lamp", "lamp red", "a chair"], "dimensions": 64}
    status, text = post(connection, "/v1/embeddings", json.dumps(body))
    assert status == 200
    one, same, other = [item["embedding"] for item in json.loads(text)["data"]]
    assert len(one) == 64
    assert one == same != other
    coded = json.dumps(body | {"encoding_format": "base64"})
    item = json.loads(post(connection, "/embeddings", coded)[1])["data"][0]
    assert list(array("f", base64.b64decode(item["embedding"]))) == one
    assert post(connection, "/v1/embeddings", json.dumps(BODY))[0] == 400
    connection.close()
    assert (stub.calls, stub.embeddings) == (0, 2)
