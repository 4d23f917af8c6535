"""How the panel looks: name, logo, colours and the sidebar in the order in which an administrator thinks.

Imported by settings.py as UNFOLD. Contains no address of another host: fonts, icons and scripts are served by us.
"""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

PRODUCT = "Mailkeep"
QUEUE = "Queue"


def _host_name(request: HttpRequest) -> str:
    """The line under the product's name: which machine is this?"""
    from mailadmin.status.identity import host_name

    return host_name()


def _item(title: str, icon: str, view: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(view), **more}


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": None,
        "items": [_item("Dashboard", "monitoring", "admin:index")],
    },
    {
        "title": "Who lives here",
        "separator": True,
        "items": [
            _item("Domains", "domain", "admin:directory_domain_changelist"),
            _item("Accounts", "person", "admin:directory_account_changelist"),
            _item("Aliases", "alternate_email", "admin:directory_alias_changelist"),
        ],
    },
    {
        "title": "Where mail goes",
        "separator": True,
        "items": [
            _item("My networks", "lan", "admin:transport_mynetwork_changelist"),
            _item("Relay hosts", "outbound", "admin:transport_relayhost_changelist"),
            _item("Transport rules", "alt_route", "admin:transport_transportrule_changelist"),
            _item("Address rewriting", "edit_note", "admin:transport_senderrewrite_changelist"),
            _item("Server settings", "tune", "admin:transport_serversettings_changelist"),
            _item("Test a route", "conversion_path", "admin:route_test"),
        ],
    },
    {
        "title": "What is happening",
        "separator": True,
        "items": [
            _item(QUEUE, "schedule_send", "admin:mailqueue_queuerecipient_changelist"),
            _item("Message trace", "search_insights", "admin:trace_search"),
            _item("Connected clients", "devices", "admin:status_clientsession_changelist"),
            _item("Mailboxes", "inbox", "admin:mailboxes_mailbox_changelist"),
            _item("Shared mailboxes", "folder_shared", "admin:mailboxes_mailboxacl_changelist"),
        ],
    },
    {
        "title": "Access",
        "separator": True,
        "items": [
            _item("OAuth issuers", "passkey", "admin:directory_oauthissuer_changelist"),
            _item("API tokens", "key", "admin:api_apitoken_changelist"),
            _item("Audit log", "history", "admin:audit_auditentry_changelist"),
            {"title": "Webmail", "icon": "mail", "link": "/mail/"},
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, with the number of waiting recipients beside the queue while there are any."""
    from mailadmin.status.identity import queue_badge

    badge = queue_badge()
    return [{**group, "items": [_with_badge(item, badge) for item in group["items"]]} for group in NAVIGATION]


def _with_badge(item: dict[str, Any], badge: str) -> dict[str, Any]:
    return {**item, "badge": badge} if badge and item["title"] == QUEUE else item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": PRODUCT,
    "SITE_HEADER": PRODUCT,
    "SITE_SUBHEADER": _host_name,
    "SITE_URL": "/mail/",
    "SITE_ICON": {
        "light": lambda request: static("mailkeep/mark.svg"),
        "dark": lambda request: static("mailkeep/mark-dark.svg"),
    },
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("mailkeep/mark.svg")},
    ],
    "LOGIN": {"form": "mailadmin.sign_in.PanelSignIn"},
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("mailkeep/mailkeep.css")],
    "SCRIPTS": [lambda request: static("mailkeep/mailkeep.js")],
    "DASHBOARD_CALLBACK": "mailadmin.status.dashboard.add_dashboard",
    "COLORS": {
        "primary": {
            "50": "#f0f7fb",
            "100": "#dcecf6",
            "200": "#bddcee",
            "300": "#8ec4e1",
            "400": "#57a5cd",
            "500": "#3a92c0",
            "600": "#1f6c98",
            "700": "#1b587c",
            "800": "#1a4a67",
            "900": "#1a3f57",
            "950": "#112839",
        },
    },
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": navigation},
}
