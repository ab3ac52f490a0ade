"""Twenty reviewers at once over HTTP, killed browsers, a killed web server, people taken out: nothing lost or done twice."""

from __future__ import annotations

import http.client
import random
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Judge,
    User,
)
from annotator.services.session_changes import change_session
from tests.factories import (
    create_experiment,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
)
from tests.processes import WebProcess, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE, ITEMS, OVERLAP = 20, 100, 2
VALUES = ("excellent", "good", "fair", "poor")
CSRF = "x" * 32
PATIENCE = 120


@pytest.fixture
def web() -> Iterator[WebProcess]:
    web = WebProcess(HOLD_SECONDS="2")
    yield web
    web.kill()


@dataclass(kw_only=True)
class Reviewer(threading.Thread):
    """Somebody at a browser that now and then is killed, submits twice, or dawdles.

    Attributes:
        taken: The numbers of the submissions that the server said it has.
        gives_up_after: The browser is never seen again after so many answers; None for never.
    """

    web: WebProcess
    session: int
    judge: int
    cookie: str
    seed: int
    over: threading.Event
    gives_up_after: int | None = None
    taken: list[str] = field(default_factory=list)
    trouble: str = ""

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.chance = random.Random(self.seed)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Review until everything is done."""
        batch = f"/sessions/{self.session}/review/"
        while not self.over.is_set() and not self.trouble:
            if self.gives_up_after is not None and len(self.taken) >= self.gives_up_after:
                self._ask("GET", batch)  # one more item is held, and never answered
                return
            status, where = self._ask("GET", batch)
            if status == 404:
                return  # taken out of the session
            if not re.fullmatch(rf"{batch}\d+/", where):
                self._ask("POST", f"{batch}more/", {})
                self.over.wait(0.3)
                continue
            self._review(where)

    def _review(self, item: str) -> None:
        status, _ = self._ask("GET", item)
        if status != 200 or self.chance.random() < 0.08:
            return  # others were quicker; or the browser is killed, and another one opened
        self.over.wait(self.chance.random() * 0.02)
        number = uuid.uuid4().hex
        form = {"value": self.chance.choice(VALUES), "submission": number, "action": "submit"}
        for _ in range(2 if self.chance.random() < 0.2 else 1):
            status, text = self._ask("POST", f"{item}?judge={self.judge}", form)
            if status == 200:
                self.taken.append(number)
            elif status not in (0, 302, 404):  # 0: it is over, and the answer was never sent
                self.trouble = f"{status}: {text[:2000]}"

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status, and where it leads or what it says; asked again for as long as the server is away."""
        headers = {
            "Cookie": f"sessionid={self.cookie}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
            "HX-Request": "true",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        while not self.over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=30)
            try:
                connection.request(method, path, urlencode(form or {}), headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                return answer.status, answer.getheader("Location") or text
            except (OSError, http.client.HTTPException):
                self.over.wait(0.1)
            finally:
                connection.close()
        return 0, ""


def signed_in(user: User) -> str:
    """The cookie of a browser in which the user is signed in."""
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def plan() -> tuple[FeedbackSession, Judge, list[User]]:
    team = create_team(name="Support")
    judge = create_judge(experiment=create_experiment(team=team))
    traces = [create_trace(experiment=judge.experiment) for _ in range(ITEMS)]
    people = [create_user(team=team) for _ in range(PEOPLE)]
    session = create_session(
        judge=judge,
        reviewers=people,
        traces=traces,
        overlap=OVERLAP,
        per_reviewer=ITEMS * OVERLAP // PEOPLE,
        take_more=True,
        item_order="SHUFFLED",
    )
    return session, judge, people


def counted(session: FeedbackSession) -> int:
    return Assignment.objects.filter(
        item__session=session, state=AssignmentState.DONE, is_extra=False
    ).count()


def test_twenty_reviewers_give_two_hundred_answers_whatever_is_killed(
    web: WebProcess, lena: User
) -> None:
    session, judge, people = plan()
    over = threading.Event()
    gone = people[:3]
    reviewers = [
        Reviewer(
            web=web,
            session=session.pk,
            judge=judge.pk,
            cookie=signed_in(user),
            seed=number,
            over=over,
            gives_up_after=4 if user in gone else None,
        )
        for number, user in enumerate(people)
    ]
    try:
        for reviewer in reviewers:
            reviewer.start()
        assert eventually(lambda: counted(session) >= 50, within=PATIENCE), trouble(reviewers)
        web.kill()
        web.restart()
        assert eventually(lambda: counted(session) >= 120, within=PATIENCE), trouble(reviewers)
        stay = {user: None for user in people if user not in gone}
        change_session(
            actor=lena, session=session, rooms={user: 2 * ITEMS // len(stay) + 2 for user in stay}
        )
        wanted = ITEMS * OVERLAP
        assert eventually(lambda: counted(session) >= wanted, within=PATIENCE), trouble(reviewers)
    finally:
        over.set()
        for reviewer in reviewers:
            reviewer.join(PATIENCE)

    assert [reviewer.trouble for reviewer in reviewers if reviewer.trouble] == []
    done = Assignment.objects.filter(item__session=session, state=AssignmentState.DONE)
    per_item = Counter(done.filter(is_extra=False).values_list("item", flat=True))
    assert sorted(per_item.values()) == [OVERLAP] * ITEMS
    answers = Assessment.objects.human().values_list("trace", "author", "assignment")
    assert len(answers) == len({(trace, author) for trace, author, _ in answers}) == done.count()
    assert {place for _, _, place in answers} == set(done.values_list("pk", flat=True))
    said = {number for reviewer in reviewers for number in reviewer.taken}
    stored = set(Assessment.objects.values_list("submission_id", flat=True))
    assert said <= stored


def trouble(reviewers: list[Reviewer]) -> str:
    """What went wrong, for whoever reads the failure."""
    return "\n".join(filter(None, (reviewer.trouble for reviewer in reviewers))) or "too slow"
