"""Who may do what. Seeing is the lookup (`visible_to`); doing more than an expert does is asked for here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from annotator.http import AuthedRequest
from annotator.models import Judge, Role, User
from annotator.models.people import ROLE_RANK

P = ParamSpec("P")
View = Callable[Concatenate[AuthedRequest, P], HttpResponse]

_REFUSALS = {
    Role.EXPERT: "You are in no team yet; an admin of your team can add you.",
    Role.LEAD: "Only team leads and admins can do this; ask one of your team.",
    Role.ADMIN: "Only admins can do this; ask one of your team.",
}


def highest_role(user: User) -> Role | None:
    """The strongest role the user holds in any team; None in no team."""
    held = user.team_roles().values()
    return Role(max(held, key=ROLE_RANK.__getitem__)) if held else None


def require_role(user: User, team_id: int, role: Role) -> None:
    """Refuse a user who is less than `role` in that team.

    Raises:
        PermissionDenied: with a sentence that says who can.
    """
    if not user.has_role(team_id, role):
        raise PermissionDenied(_REFUSALS[role])


def role_required(role: Role | str) -> Callable[[View[P]], View[P]]:
    """Answer 403 to users who hold no such role in any team.

    A view about one object also calls `require_role` with the object's team.
    """
    needed = Role(role)

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: AuthedRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            held = highest_role(request.user)
            if held is None or ROLE_RANK[held] < ROLE_RANK[needed]:
                raise PermissionDenied(_REFUSALS[needed])
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def operator_required(view: View[P]) -> View[P]:
    """Answer 403 to users who do not operate the installation: what concerns all teams is no team's to change."""

    @wraps(view)
    def guarded(request: AuthedRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied(
                "This concerns every team, so only the operators of this installation (staff) can do it."
            )
        return view(request, *args, **kwargs)

    return guarded


def require_settler(user: User, judge: Judge) -> None:
    """Refuse a user who may not settle the judge's labels.

    Raises:
        PermissionDenied: with a sentence that says who can.
    """
    if not judge.may_be_settled_by(user):
        raise PermissionDenied(
            "Only team leads, admins and the person named to settle this judge's labels can do this; "
            "ask one of your team."
        )
