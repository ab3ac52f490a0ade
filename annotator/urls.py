"""Where everything is. Names are flat: noun-verb."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import converters, path, register_converter

from annotator.views import activity as activity_views
from annotator.views import batch_items as batch_item_views
from annotator.views import batches as batch_views
from annotator.views import disagreements as disagreement_views
from annotator.views import drift as drift_views
from annotator.views import feedback as feedback_views
from annotator.views import guidelines as guideline_views
from annotator.views import health as health_views
from annotator.views import home as home_views
from annotator.views import jobs as job_views
from annotator.views import judge_edit as judge_edit_views
from annotator.views import judge_settings as judge_settings_views
from annotator.views import judges as judge_views
from annotator.views import label_rule as label_rule_views
from annotator.views import notice_settings as notice_settings_views
from annotator.views import notifications as notification_views
from annotator.views import review_keys as review_key_views
from annotator.views import runs as run_views
from annotator.views import session_answers as session_answer_views
from annotator.views import session_builder as session_builder_views
from annotator.views import session_change as session_change_views
from annotator.views import session_detail as session_detail_views
from annotator.views import session_items as session_item_views
from annotator.views import session_more_time as session_more_time_views
from annotator.views import session_rules as session_rule_views
from annotator.views import sessions as session_views
from annotator.views import settings as settings_views
from annotator.views import settling as settling_views
from annotator.views import signin as signin_views
from annotator.views import tokens as token_views
from annotator.views import traces as trace_views


class TextConverter(converters.StringConverter):
    """A part of an address. Nothing here has a NUL in its id, and PostgreSQL refuses to look for one."""

    regex = r"[^/\0]+"


class TraceIdConverter(converters.PathConverter):
    """A trace id may hold anything else, also slashes."""

    regex = r"[^\0]+"


register_converter(TextConverter, "text")
register_converter(TraceIdConverter, "trace_id")

urlpatterns = [
    path("healthz", health_views.healthz, name="healthz"),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("start/<str:secret>", signin_views.start, name="start"),
    path("admin/", admin.site.urls),
    path("", home_views.home, name="home"),
    path("guide/", home_views.guide, name="guide"),
    path("activity/", activity_views.activity_list, name="activity-list"),
    path("traces/", trace_views.trace_list, name="trace-list"),
    path("traces/count", trace_views.trace_count, name="trace-count"),
    path("trace/<trace_id:trace_id>", trace_views.trace_detail, name="trace-detail"),
    path(
        "feedback/<text:assessment_id>/withdraw/",
        feedback_views.feedback_withdraw,
        name="feedback-withdraw",
    ),
    path(
        "feedback/<text:assessment_id>/restore/",
        feedback_views.feedback_restore,
        name="feedback-restore",
    ),
    # judges, their jobs and their runs
    path("judges/", judge_views.judge_list, name="judge-list"),
    path("judges/new/", judge_edit_views.judge_create, name="judge-create"),
    path("judges/try/", judge_edit_views.judge_try, name="judge-try"),
    path("judges/trials/<int:pk>/", judge_edit_views.judge_trial, name="judge-trial"),
    path("judges/<int:pk>/", judge_views.judge_detail, name="judge-detail"),
    path("judges/<int:pk>/edit/", judge_edit_views.judge_edit, name="judge-edit"),
    path("judges/<int:pk>/run/", job_views.judge_run, name="judge-run"),
    path("judges/<int:pk>/new-traces/", job_views.judge_new_traces, name="judge-new-traces"),
    path("judges/<int:pk>/readiness/", judge_views.judge_readiness, name="judge-readiness"),
    path("judges/<int:pk>/review/", judge_views.judge_review, name="judge-review"),
    path("judges/<int:pk>/guideline/", guideline_views.judge_guideline, name="judge-guideline"),
    path("judges/<int:pk>/rereview/", guideline_views.judge_rereview, name="judge-rereview"),
    path(
        "judges/<int:pk>/disagreements/",
        disagreement_views.judge_disagreements,
        name="judge-disagreements",
    ),
    path(
        "judges/<int:pk>/cause/<trace_id:trace_id>",
        disagreement_views.disagreement_cause,
        name="disagreement-cause",
    ),
    path("judges/<int:pk>/settle/", settling_views.judge_settle, name="judge-settle"),
    path(
        "judges/<int:pk>/settle/<trace_id:trace_id>",
        settling_views.judge_settle_trace,
        name="judge-settle-trace",
    ),
    path(
        "settlements/<int:pk>/reopen/",
        settling_views.settlement_reopen,
        name="settlement-reopen",
    ),
    path("settlements/<int:pk>/pin/", settling_views.settlement_pin, name="settlement-pin"),
    path("judges/<int:pk>/rule/", label_rule_views.judge_rule, name="judge-rule"),
    path("judges/<int:pk>/settings/", judge_settings_views.judge_settings, name="judge-settings"),
    path("judges/<int:pk>/rollback/", judge_views.judge_rollback, name="judge-rollback"),
    path("judges/<int:pk>/align/", run_views.run_start, name="run-start"),
    path("judges/<int:pk>/drift/", drift_views.judge_drift, name="judge-drift"),
    path("judges/<int:pk>/drift/stop/", drift_views.drift_stop, name="drift-stop"),
    path("alarms/<int:pk>/dismiss/", drift_views.drift_dismiss, name="drift-dismiss"),
    path("versions/<int:pk>/promote/", judge_views.version_promote, name="version-promote"),
    path("jobs/<int:pk>/", job_views.job_detail, name="job-detail"),
    path("jobs/<int:pk>/cancel/", job_views.job_cancel, name="job-cancel"),
    path("runs/", run_views.run_list, name="run-list"),
    path("runs/<int:pk>/", run_views.run_detail, name="run-detail"),
    path("runs/<int:pk>/status/", run_views.run_status, name="run-status"),
    path("runs/<int:pk>/cancel/", run_views.run_cancel, name="run-cancel"),
    path("runs/<int:pk>/promote/", run_views.run_promote, name="run-promote"),
    path("runs/<int:pk>/reject/", run_views.run_reject, name="run-reject"),
    path(
        "notifications/off/<text:token>/",
        notification_views.notification_off,
        name="notification-off",
    ),
    # a reviewer's batch in a feedback session
    path("batches/", batch_views.batch_list, name="batch-list"),
    path("sessions/offline.js", batch_views.offline_worker, name="offline-worker"),
    path("sessions/<int:pk>/review/", batch_views.batch_review, name="batch-review"),
    path("sessions/<int:pk>/review/more/", batch_views.batch_more, name="batch-more"),
    path("sessions/<int:pk>/review/undo/", batch_views.batch_undo, name="batch-undo"),
    path(
        "sessions/<int:pk>/review/<int:assignment>/",
        batch_item_views.batch_item,
        name="batch-item",
    ),
    path(
        "sessions/<int:pk>/review/<int:assignment>/beat/",
        batch_item_views.batch_beat,
        name="batch-beat",
    ),
    path(
        "sessions/<int:pk>/review/<int:assignment>/leave/",
        batch_item_views.batch_leave,
        name="batch-leave",
    ),
    path("settings/keys/", review_key_views.settings_keys, name="settings-keys"),
    # sessions, for leads; the batch of one reviewer is among the reviews
    path("sessions/", session_views.session_list, name="session-list"),
    path("sessions/new/", session_builder_views.session_create, name="session-create"),
    path("sessions/preview/", session_builder_views.session_preview, name="session-preview"),
    path("sessions/mix/", session_builder_views.session_mix, name="session-mix"),
    path("sessions/<int:pk>/", session_detail_views.session_detail, name="session-detail"),
    path("sessions/<int:pk>/edit/", session_builder_views.session_edit, name="session-edit"),
    path("sessions/<int:pk>/copy/", session_views.session_copy, name="session-copy"),
    path("sessions/<int:pk>/act/", session_views.session_act, name="session-act"),
    path("sessions/<int:pk>/rule/", session_rule_views.session_rule, name="session-rule"),
    path("sessions/<int:pk>/items/", session_item_views.session_items, name="session-items"),
    path(
        "sessions/<int:pk>/answers/", session_answer_views.session_answers, name="session-answers"
    ),
    path("sessions/<int:pk>/change/", session_change_views.session_change, name="session-change"),
    path("sessions/<int:pk>/people/", session_change_views.session_people, name="session-people"),
    path(
        "sessions/<int:pk>/more-time/",
        session_more_time_views.session_more_time,
        name="session-more-time",
    ),
    path("sessions/<int:pk>/move/", session_change_views.session_move, name="session-move"),
    path(
        "sessions/<int:pk>/release/", session_change_views.session_release, name="session-release"
    ),
    path(
        "sessions/<int:pk>/calendar.ics",
        session_detail_views.session_calendar,
        name="session-calendar",
    ),
    path(
        "settings/notifications/",
        notice_settings_views.settings_notifications,
        name="settings-notifications",
    ),
    path("settings/tokens/", token_views.settings_tokens, name="settings-tokens"),
    path("settings/tokens/<int:pk>/revoke/", token_views.token_revoke, name="token-revoke"),
    path("settings/models/", settings_views.settings_models, name="settings-models"),
    path("settings/prices/", settings_views.price_save, name="price-save"),
    path("settings/prices/<int:pk>/remove/", settings_views.price_remove, name="price-remove"),
]
