"""/api/v1/: the resources, the OpenAPI document and its Swagger page. A path may end with a slash or not."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from mailadmin.api import documents
from mailadmin.api.problems import not_found
from mailadmin.api.resources.accounts import AccountViewSet
from mailadmin.api.resources.aliases import AliasViewSet
from mailadmin.api.resources.app_passwords import AppPasswordViewSet
from mailadmin.api.resources.domains import DomainViewSet
from mailadmin.api.resources.networks import NetworkViewSet
from mailadmin.api.resources.oauth_issuers import OauthIssuerViewSet
from mailadmin.api.resources.queue import QueueViewSet
from mailadmin.api.resources.relayhosts import RelayHostViewSet
from mailadmin.api.resources.rewrites import RewriteViewSet
from mailadmin.api.resources.server_settings import ServerSettingsView
from mailadmin.api.resources.sessions import ClientSessionViewSet
from mailadmin.api.resources.shares import ShareViewSet
from mailadmin.api.resources.status import StatusView
from mailadmin.api.resources.tokens import TokenViewSet
from mailadmin.api.resources.trace import SessionView, TimelineView, TraceView
from mailadmin.api.resources.transport_rules import TransportRuleViewSet

app_name = "api"

VIEWSETS = {
    "domains": DomainViewSet,
    "accounts": AccountViewSet,
    "app-passwords": AppPasswordViewSet,
    "shares": ShareViewSet,
    "aliases": AliasViewSet,
    "networks": NetworkViewSet,
    "relayhosts": RelayHostViewSet,
    "transport-rules": TransportRuleViewSet,
    "rewrites": RewriteViewSet,
    "oauth-issuers": OauthIssuerViewSet,
    "queue": QueueViewSet,
    "sessions": ClientSessionViewSet,
    "tokens": TokenViewSet,
}

router = SimpleRouter()
router.trailing_slash = "/?"
for prefix, viewset in VIEWSETS.items():
    router.register(prefix, viewset, basename=prefix)

urlpatterns = [
    *router.urls,
    re_path(r"^settings/?$", ServerSettingsView.as_view(), name="settings"),
    re_path(r"^trace/?$", TraceView.as_view(), name="trace"),
    re_path(r"^trace/(?P<queue_id>[0-9A-Za-z]{1,32})/?$", TimelineView.as_view(), name="trace-message"),
    re_path(r"^trace/sessions/(?P<session_id>[^/]{1,32})/?$", SessionView.as_view(), name="trace-session"),
    re_path(r"^status/?$", StatusView.as_view(), name="status"),
    re_path(r"^schema/?$", documents.OpenApiView.as_view(), name="schema"),
    re_path(r"^docs/?$", documents.SwaggerView.as_view(), name="docs"),
    path("", documents.IndexView.as_view(), name="index"),
    # Not ".": an address may contain a line break.
    re_path(r"^(?P<path>[\s\S]*)$", not_found),
]
