"""/admin/ the panel, /mail/ webmail, /api/v1/ REST, /healthz and /metrics for machines.

What mail clients ask for when they are set up is answered by the middleware mailadmin.autoconfig.hosts.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, include, path
from django.views.generic import RedirectView

from mailadmin.autoconfig import profiles
from mailadmin.directory import app_password_admin
from mailadmin.mailboxes import share_admin
from mailadmin.panel_session import own_password, panel_login
from mailadmin.status import views as status
from mailadmin.trace import views as trace
from mailadmin.transport.route_test import route_test


def pages() -> list[URLPattern]:
    """The panel's pages that belong to no table; in the namespace of the admin, behind its login."""
    wrap = admin.site.admin_view
    return [
        path("live/", wrap(status.dashboard_live), name="dashboard_live"),
        path("route/", wrap(route_test), name="route_test"),
        path("profile/account/<int:pk>/", wrap(profiles.of_account), name="account_profile"),
        path("profile/domain/<str:name>/", wrap(profiles.of_domain), name="domain_profile"),
        path("app-password/account/<int:pk>/", wrap(app_password_admin.make), name="app_password_make"),
        path("app-password/<int:pk>/revoke/", wrap(app_password_admin.revoke), name="app_password_revoke"),
        path("share/account/<int:pk>/", wrap(share_admin.make), name="share_make"),
        path("share/<int:pk>/", wrap(share_admin.change), name="share_change"),
        path("share/<int:pk>/end/", wrap(share_admin.end), name="share_end"),
        path("trace/", wrap(trace.search), name="trace_search"),
        path("trace/message/<str:queue_id>/", wrap(trace.message), name="trace_message"),
        path("trace/message/<str:queue_id>/events/", wrap(trace.message_events), name="trace_message_events"),
        path("trace/session/<str:session_id>/", wrap(trace.session), name="trace_session"),
    ]


# unfold asks its site for these before its own addresses.
admin.site.extra_urls = pages

handler500 = "mailadmin.unavailable.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/login/", panel_login),
    path("admin/password_change/", admin.site.admin_view(own_password)),
    path("admin/", admin.site.urls),
    path("mail/", include("mailadmin.webmail.urls")),
    path("api/v1/", include("mailadmin.api.urls")),
    path("healthz", status.healthz, name="healthz"),
    path("metrics", status.metrics, name="metrics"),
]
