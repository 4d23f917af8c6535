"""What lies in the mailboxes, in numbers. Read only: messages change through IMAP, POP3 and webmail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.directory.quantities import format_bytes
from mailadmin.mailboxes.models import Mailbox

SPECIAL_USES = ("\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive", "\\Flagged", "\\All", "\\Important")


class SpecialUseFilter(admin.SimpleListFilter):
    """The uses there are (RFC 6154, RFC 8457): known, not looked for among all mailboxes."""

    title, parameter_name = "special use", "special_use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(use, use.removeprefix("\\")) for use in SPECIAL_USES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> QuerySet[Mailbox]:
        return queryset.filter(special_use=self.value()) if self.value() else queryset


@admin.register(Mailbox)
class MailboxAdmin(PanelAdmin):
    """Every mailbox of every account, with its counters and its IMAP identity."""

    list_display = ("name", "account", "messages", "unseen", "used", "special_use")
    list_filter = (("account__domain", AutocompleteSelectFilter), SpecialUseFilter)
    list_filter_submit = True
    sortable_by = ("account", "messages", "unseen", "used")
    # In the order of a counter, which no index may keep (see the model), the first thousands are enough.
    list_counted = 10_000
    search_fields = ("name", "account__address")
    search_help_text = "Mailbox or account"
    ordering = ("account__address", "name")
    list_select_related = ("account",)
    fields = (
        "account", "name", "special_use", "messages", "unseen", "used", "uidvalidity", "uidnext", "highestmodseq"
    )  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="size", ordering="size")
    def used(self, mailbox: Mailbox) -> str:
        return format_bytes(mailbox.size)
