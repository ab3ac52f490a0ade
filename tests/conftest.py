"""Named people, and processes for tests that need the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import caches
from django.test import Client
from hypothesis import settings as examples

from annotator.models import Role, Team, User
from annotator.services import tokens
from annotator.views import health
from tests.factories import create_team, create_user
from tests.processes import Site, WorkerProcess, worker_on_test_database

# The same examples on every machine and in every run, however slow it is.
examples.register_profile("steady", derandomize=True, deadline=None, database=None)
examples.load_profile("steady")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """What a process keeps between requests does not reach the next test."""
    for each in caches.all():
        each.clear()
    health.banner_state.forget()
    tokens.forget_callers()


@pytest.fixture
def team(db: None) -> Team:
    """The team of alice, lena and adam."""
    return create_team(name="Support")


@pytest.fixture
def alice(team: Team) -> User:
    """An expert."""
    return create_user(username="alice", team=team)


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


@pytest.fixture
def lena(team: Team) -> User:
    """The team lead."""
    return create_user(username="lena", team=team, role=Role.LEAD)


@pytest.fixture
def adam(team: Team) -> User:
    """The team's admin."""
    return create_user(username="adam", team=team, role=Role.ADMIN)


@pytest.fixture
def olga(db: None) -> User:
    """An expert of another team."""
    return create_user(username="olga", team=create_team(name="Sales"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation in a folder of its own, not started yet."""
    site = Site(tmp_path / "data")
    yield site
    site.close()


@pytest.fixture
def worker_process(transactional_db: None) -> Iterator[WorkerProcess]:
    """A real Celery worker on the database of this test: `.kill()` is kill -9, `.restart()` starts another.

    Its leases last 2 s. Tasks that the test sends go to it through the broker.
    """
    with worker_on_test_database() as worker:
        yield worker
