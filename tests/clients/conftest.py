"""A live server on the database of the tests, tokens for it, and clients in environments of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from annotator.demo.http_stub import StubServer
from annotator.demo.model import respond
from annotator.models import Experiment, Role, Scope, Team, User
from annotator.services import tokens
from tests.clients.environments import MLFLOW, Client, Clients
from tests.clients.proxy import Proxy
from tests.factories import create_experiment, create_user
from tests.processes import WebProcess


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a client sends to, and with which token."""

    url: str
    token: str

    def call(self, client: Client, function: str, **arguments: Any) -> Any:
        """What a function of `inside/` returns that talks to this server."""
        return client.call(function, url=self.url, token=self.token, **arguments)


@pytest.fixture(scope="session")
def web_process(django_db_setup: None, django_db_blocker: Any) -> Iterator[WebProcess]:
    """The web server, started once for all tests."""
    with django_db_blocker.unblock():
        web = WebProcess()
    yield web
    web.kill()


@pytest.fixture
def developer(team: Team) -> User:
    """Who has made the token that the clients use."""
    return create_user(username="dev", team=team, role=Role.ADMIN)


@pytest.fixture
def door(web_process: WebProcess, transactional_db: None, team: Team, developer: User) -> Door:
    """The live server with a token of the developer's that may do everything in the team."""
    return Door(url=web_process.url, token=create_token(user=developer, team=team))


@pytest.fixture
def proxy(door: Door) -> Iterator[Proxy]:
    """Something between a client and the server that sees every request and can make some fail."""
    with Proxy(door.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    """Processes in the clients' environments."""
    clients = Clients()
    yield clients
    clients.stop()


@pytest.fixture(params=MLFLOW)
def mlflow_client(request: pytest.FixtureRequest, clients: Clients) -> Client:
    """Each of the mlflow clients in turn."""
    return clients.get(request.param)


@pytest.fixture
def model() -> Iterator[StubServer]:
    """What stands in for a provider: the demo model over OpenAI's protocol."""
    with StubServer(respond) as stub:
        yield stub


@pytest.fixture
def team_experiment(transactional_db: None, team: Team) -> Experiment:
    """An experiment made by people."""
    return create_experiment(team=team, name="Support")


def asked_of(model: StubServer) -> dict[str, str]:
    """What makes a client ask this model for `openai:/…`, and remember no answer."""
    return {
        "OPENAI_API_BASE": model.base_url,
        "OPENAI_API_KEY": "not-needed",
        "DSPY_CACHEDIR": "dspy",
    }


def create_token(*, user: User, team: Team, scopes: tuple[str, ...] = tuple(Scope)) -> str:
    """The text of a new token."""
    return tokens.create_token(user=user, team=team, scopes=scopes)[1]
