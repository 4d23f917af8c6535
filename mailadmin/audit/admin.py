"""The audit log in the panel: read only, filtered by object, actor and time."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.models import AuditEntry

TONES = {"created": "success", "changed": "info", "deleted": "danger", "did": "warning"}


# The next type after each type found: a few look-ups in the index instead of a walk over all entries.
OBJECT_TYPES = """
WITH RECURSIVE known(name) AS (
    SELECT min(object_type) FROM audit_entry
    UNION ALL
    SELECT (SELECT min(object_type) FROM audit_entry WHERE object_type > known.name) FROM known WHERE name IS NOT NULL
)
SELECT name FROM known WHERE name IS NOT NULL
"""


class ObjectTypeFilter(admin.SimpleListFilter):
    """The kinds of objects that occur in the log."""

    title, parameter_name = "object type", "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(OBJECT_TYPES)
            return [(name, name) for (name,) in cursor.fetchall()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(PanelAdmin):
    """Nobody adds, changes or removes a line here."""

    list_display = ("when", "actor", "deed", "object_type", "object_key", "what_changed")
    list_display_links = ("when",)
    list_filter = ("action", ObjectTypeFilter, "at")
    sortable_by = ("when",)
    search_fields = ("actor", "object_key", "client_address")
    search_help_text = "Actor, object or client address"
    actions = None
    fields = ("when", "actor", "client_address", "deed", "object_type", "object_key", "what_changed")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """The history button of every object leads here by its key."""
        return lookup == "object_key" or super().lookup_allowed(lookup, value, request)

    @display(description="at", ordering="id")
    def when(self, entry: AuditEntry) -> SafeString | str:
        return format_html('<time datetime="{}">{}</time>', entry.at.isoformat(), f"{entry.at:%Y-%m-%d %H:%M:%S}")

    @display(description="action", label=TONES, ordering="action")
    def deed(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description="changes")
    def what_changed(self, entry: AuditEntry) -> SafeString:
        pairs = [(name, *_pair(value)) for name, value in entry.changes.items()]
        if entry.action != AuditEntry.Action.CHANGED:
            pairs = [pair for pair in pairs if any(value not in (None, "", []) for value in pair[1:])]
        return render_to_string("mailkeep/audit_changes.html", {"changes": pairs, "action": entry.action})


def _pair(value: Any) -> tuple[Any, Any]:
    """Old and new; a deed without an old value has only what was said of it."""
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    return None, value
