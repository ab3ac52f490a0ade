"""Django's own pages: people and teams are kept there, the rest can be looked at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from annotator.models import (
    ActivityLog,
    AlignmentRun,
    ApiToken,
    Experiment,
    Judge,
    JudgeJob,
    JudgeVersion,
    Membership,
    Notification,
    Team,
    Trace,
    User,
    Worker,
)

admin.site.site_header = admin.site.site_title = "Annotator"
admin.site.register(User, UserAdmin)


class MembershipInline(admin.TabularInline):
    """The members of a team."""

    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """Teams with their members."""

    list_display = ["name", "created_at"]
    search_fields = ["name"]
    inlines = [MembershipInline]


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only services may write, because a write there also leaves a log row."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens, without what they are."""

    list_display = ["prefix", "user", "team", "name", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["user", "team"]
    exclude = ["digest"]


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """E-mails: sent, waiting, unwanted, or without an address to go to."""

    list_display = ["created_at", "user", "kind", "status", "due_at", "sent_at", "problem"]
    list_filter = ["status", "kind"]
    list_select_related = ["user"]


@admin.register(ActivityLog)
class ActivityLogAdmin(ReadOnlyAdmin):
    """Who did what."""

    list_display = ["created_at", "actor", "action", "target_kind", "target_name"]
    list_select_related = ["actor"]


admin.site.register(
    [AlignmentRun, Experiment, Judge, JudgeJob, JudgeVersion, Trace, Worker], ReadOnlyAdmin
)
