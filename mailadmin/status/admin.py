"""Connected clients in the panel: who is logged in over IMAP and POP3, and a way to send them away."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display

from mailadmin.api.fields import address_key
from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.record import Actor
from mailadmin.directory.models import Account
from mailadmin.directory.templatetags.mailkeep import age
from mailadmin.status.models import ClientSession
from mailadmin.status.sessions import SEARCHED, connected, end_account, end_chosen

PROTOCOLS = ("imap", "pop3")


class ProtocolFilter(admin.SimpleListFilter):
    """Known, not looked for among all sessions."""

    title, parameter_name = "protocol", "protocol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(protocol, protocol.upper()) for protocol in PROTOCOLS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ClientSession]) -> QuerySet[ClientSession]:
        return queryset.filter(protocol=self.value()) if self.value() in PROTOCOLS else queryset


class AccountFilter(TextFilter):
    """One account, typed."""

    title, parameter_name = "account: its address", "account"

    def queryset(self, request: HttpRequest, queryset: QuerySet[ClientSession]) -> QuerySet[ClientSession]:
        typed = (self.value() or "").strip().replace("\0", "")
        return queryset.filter(account__address=address_key(typed)) if typed else queryset


class ClientFilter(TextFilter):
    """An address, or a part of what the client calls itself."""

    title, parameter_name = "client: address or program", "client_id"

    def queryset(self, request: HttpRequest, queryset: QuerySet[ClientSession]) -> QuerySet[ClientSession]:
        typed = (self.value() or "").strip().replace("\0", "")
        if not typed:
            return queryset
        try:
            return queryset.filter(client_address=str(ipaddress.ip_address(typed)))
        except ValueError:
            return queryset.filter(client_id__icontains=typed)


@admin.register(ClientSession)
class ClientSessionAdmin(PanelAdmin):
    """One line per session; the list is as old as two seconds."""

    nothing = "Nobody is logged in over IMAP or POP3."
    list_display = ("who", "protocol_label", "program", "mailbox", "connected_for", "idle_for")
    list_display_links = None
    list_filter = (AccountFilter, ProtocolFilter, ClientFilter)
    list_filter_submit = True
    sortable_by = ("who", "protocol_label", "program", "connected_for", "idle_for")
    search_fields = SEARCHED
    search_help_text = "Account, program, address or mailbox"
    list_select_related = ("account",)
    ordering = ("-since", "id")
    list_fullwidth = True
    actions = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientSession]:
        return connected()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        ending = path("account/<int:account_id>/end/", wrap(self.end_of_account), name="status_clientsession_end")
        return [ending, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is no page of one session: all that is known of it stands in its line."""
        return HttpResponseRedirect(reverse("admin:status_clientsession_changelist"))

    @display(description="account", ordering="account__address")
    def who(self, session: ClientSession) -> SafeString:
        url = reverse("admin:directory_account_change", args=[session.account_id])
        return format_html('<a class="mk-link" href="{}">{}</a>', url, session.account)

    @display(description="protocol", ordering="protocol")
    def protocol_label(self, session: ClientSession) -> SafeString:
        tone = "good" if session.tls else "warn"
        return format_html(
            '<span class="mk-nowrap">{} <span class="mk-badge {}">{}</span></span>',
            session.protocol.upper(),
            tone,
            "TLS" if session.tls else "no TLS",
        )

    @display(description="client", ordering="client_id")
    def program(self, session: ClientSession) -> SafeString:
        return format_html(
            '<span>{}<br><span class="mk-quiet mk-mono">{}</span></span>',
            session.client_id or "does not say",
            session.client_address,
        )

    @display(description="connected for", ordering="-since")
    def connected_for(self, session: ClientSession) -> SafeString:
        return format_html('<span class="mk-nowrap">{}</span>', age(session.since))

    @display(description="idle for", ordering="-idle_since")
    def idle_for(self, session: ClientSession) -> SafeString:
        if session.end_wanted:
            return format_html('<span class="mk-badge warn">{}</span>', "is being ended")
        return format_html('<span class="mk-nowrap">{}</span>', age(session.idle_since) or "active")

    @admin.action(description="End the selected sessions")
    def end(self, request: HttpRequest, chosen: QuerySet[ClientSession]) -> None:
        """Said to each client; it may come back."""
        say_how_many(request, end_chosen(Actor.of_request(request), chosen.select_related("account")))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Only ours: rows are deleted by the processes that wrote them."""
        return {name: action for name, action in super().get_actions(request).items() if name == "end"}

    def end_of_account(self, request: HttpRequest, account_id: int) -> HttpResponse:
        """The button on the account's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = get_object_or_404(Account, pk=account_id)
        say_how_many(request, end_account(Actor.of_request(request), account.pk, str(account)))
        return HttpResponseRedirect(reverse("admin:directory_account_change", args=[account.pk]))


def say_how_many(request: HttpRequest, count: int) -> None:
    """The result in a sentence."""
    if count:
        messages.success(request, f"{count} session{'s' if count != 1 else ''} will be ended within three seconds.")
    else:
        messages.warning(request, "Nothing changed: the sessions have ended meanwhile.")
