"""Networks, relay hosts, transport rules, address rewriting and server settings in the panel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, stored_values, values_of
from mailadmin.transport import services
from mailadmin.transport.fields import parse_network
from mailadmin.transport.forms import (
    MyNetworkForm,
    RelayHostForm,
    SenderRewriteForm,
    ServerSettingsForm,
    TransportRuleForm,
)
from mailadmin.transport.interfaces import machine_interfaces, propose
from mailadmin.transport.models import MyNetwork, RelayHost, SenderRewrite, ServerSettings, TransportRule
from mailadmin.transport.open_relay import is_open_relay

TLS_TONES = {
    "none": "danger",
    "may": "warning",
    "encrypt": "info",
    "verify": "success",
    "implicit": "success",
}


@admin.register(ServerSettings)
class ServerSettingsAdmin(PanelAdmin):
    """One row: the list leads straight to its form."""

    form = ServerSettingsForm
    has_list_of_its_own = False
    autocomplete_fields = ("relayhost",)
    fieldsets = (
        ("Identity", {"fields": ("myhostname", "mydomain", "myorigin", "inet_interfaces")}),
        (
            "Receiving",
            {
                "fields": (
                    "message_size_limit",
                    "recipient_delimiter",
                    "smtpd_recipient_limit",
                    "hopcount_limit",
                    "client_connection_limit",
                    "client_message_rate_limit",
                )
            },
        ),
        (
            "Mail access",
            {
                "fields": (
                    "account_connection_limit",
                    "address_connection_limit",
                    "login_delay",
                    "auth_failure_limit",
                    "literal_minus",
                )
            },
        ),
        ("Trust", {"fields": ("plaintext_auth", "mynetworks_style", "haproxy_trusted_networks")}),
        ("Sending", {"fields": ("relayhost", "smtp_tls_security_level", "destination_concurrency_limit")}),
        (
            "Retries",
            {
                "fields": (
                    "minimal_backoff_time",
                    "maximal_backoff_time",
                    "maximal_queue_lifetime",
                    "delay_warning_time",
                )
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:transport_serversettings_change", args=[1]))

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:transport_serversettings_change", args=[1]))


@admin.register(MyNetwork)
class MyNetworkAdmin(PanelAdmin):
    """Trusted networks, with what mynetworks_style would propose on top of the list."""

    nothing = "No network is trusted: only those who log in may relay."
    form = MyNetworkForm
    list_display = ("cidr", "note", "enabled", "danger")
    list_filter = ("enabled",)
    search_fields = ("note",)
    search_help_text = "Note"
    ordering = ("cidr",)
    fieldsets = (
        (None, {"fields": ("cidr", "note", "enabled")}),
        (
            "Open relay",
            {
                "fields": ("open_relay_confirmation",),
                "description": "Leave this empty, unless the network is refused for being too wide.",
            },
        ),
    )
    list_before_template = "mailkeep/network_proposals.html"

    @display(description="relay", label={"open relay": "danger", "trusted": "success", "off": ""})
    def danger(self, network: MyNetwork) -> str:
        if not network.enabled:
            return "off"
        return "open relay" if is_open_relay(network.cidr) else "trusted"

    def store(self, request: HttpRequest, obj: MyNetwork, form: ModelForm, change: bool) -> None:
        super().store(request, obj, form, change)
        if obj.enabled and is_open_relay(obj.cidr):
            messages.warning(request, f"{obj.cidr} is trusted: this server is now an open relay for it.")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        style = ServerSettings.objects.values_list("mynetworks_style", flat=True).first() or "host"
        known = set(MyNetwork.objects.values_list("cidr", flat=True))
        proposals = [
            {
                "proposal": proposal,
                "known": proposal.cidr in known,
                "open_relay": is_open_relay(proposal.cidr),
            }
            for proposal in propose(style, machine_interfaces())
        ]
        return super().changelist_view(
            request, {**(extra_context or {}), "mynetworks_style": style, "proposals": proposals}
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.add_proposed)
        return [path("add-proposed/", view, name="transport_mynetwork_add_proposed"), *super().get_urls()]

    def add_proposed(self, request: HttpRequest) -> HttpResponse:
        """One click on a proposal. A wide network is led to the form, which explains the danger."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        back = reverse("admin:transport_mynetwork_changelist")
        try:
            cidr = parse_network(request.POST.get("cidr", ""))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(back)
        if is_open_relay(cidr):
            return HttpResponseRedirect(f"{reverse('admin:transport_mynetwork_add')}?cidr={cidr}")
        note = f"Interface {request.POST.get('interface', '')}"[:200]
        with transaction.atomic():
            network, created = MyNetwork.objects.get_or_create(cidr=cidr, defaults={"note": note})
            if created:
                record(Actor.of_request(request), AuditEntry.Action.CREATED, network, {}, values_of(network))
        if created:
            messages.success(request, f"{cidr} is trusted now; its clients may relay.")
        return HttpResponseRedirect(back)


@admin.register(RelayHost)
class RelayHostAdmin(PanelAdmin):
    """Relay hosts in Postfix notation; the password goes in and never comes out."""

    nothing = "No relay host: mail goes directly to the servers of its recipients."
    form = RelayHostForm
    list_display = ("notation_shown", "tls_label", "username", "used_for", "note")
    ordering = ("host", "port")
    list_filter = ("tls",)
    search_fields = ("host", "username", "note")
    search_help_text = "Host, user or note"
    fieldsets = (
        (None, {"fields": ("next_hop", "tls", "for_all_mail")}),
        ("Login", {"fields": ("username", "password")}),
        (None, {"fields": ("note",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RelayHost]:
        general = ServerSettings.objects.filter(relayhost=OuterRef("pk"))
        return super().get_queryset(request).annotate(rule_count=Count("rules"), is_general=Exists(general))

    @display(description="next hop", ordering="host")
    def notation_shown(self, relay_host: RelayHost) -> str:
        return relay_host.notation

    @display(description="TLS", ordering="tls", label=TLS_TONES)
    def tls_label(self, relay_host: RelayHost) -> tuple[str, str]:
        return relay_host.tls, relay_host.tls

    @display(description="used for")
    def used_for(self, relay_host: Any) -> str:
        uses = ["all outbound mail"] if relay_host.is_general else []
        if relay_host.rule_count:
            uses.append(f"{relay_host.rule_count} rule{'s' if relay_host.rule_count > 1 else ''}")
        return ", ".join(uses) or "nothing yet"

    def store(self, request: HttpRequest, obj: RelayHost, form: ModelForm, change: bool) -> None:
        password = form.cleaned_data.get("password", "")
        if password or not obj.username:
            services.set_relay_password(obj, password)
        super().store(request, obj, form, change)
        self._set_general(request, obj, use=form.cleaned_data["for_all_mail"])
        if services.sends_password_in_the_clear(obj):
            messages.warning(
                request,
                f"The login at {obj} is not protected: with TLS “{obj.tls}” somebody on the way could read the "
                "password. Encrypt, Verify or Implicit are safe.",
            )

    def _set_general(self, request: HttpRequest, relay_host: RelayHost, *, use: bool) -> None:
        server = ServerSettings.objects.get(pk=1)
        before = stored_values(server)
        if services.use_for_all_mail(relay_host, use=use):
            record(Actor.of_request(request), AuditEntry.Action.CHANGED, server, before, stored_values(server))
            where = str(relay_host) if use else "directly to the recipients' servers"
            messages.info(request, f"Outbound mail now goes {'to ' if use else ''}{where}.")


@admin.register(TransportRule)
class TransportRuleAdmin(PanelAdmin):
    """Exceptions from the general way out."""

    nothing = "No exceptions: all mail goes the general way out."
    form = TransportRuleForm
    list_display = ("match", "direction", "goes_to", "enabled", "note")
    list_filter = ("direction", "enabled", ("relayhost", AutocompleteSelectFilter))
    list_filter_submit = True
    autocomplete_fields = ("relayhost",)
    search_fields = ("match", "note")
    search_help_text = "Match or note"
    list_select_related = ("relayhost",)

    @display(description="goes to", ordering="relayhost__host")
    def goes_to(self, rule: TransportRule) -> str:
        return rule.relayhost.notation if rule.relayhost else "directly, by MX"


@admin.register(SenderRewrite)
class SenderRewriteAdmin(PanelAdmin):
    """Canonical rewriting of senders and recipients."""

    nothing = "No address is rewritten."
    form = SenderRewriteForm
    list_display = ("pattern", "replacement", "applies_to", "enabled")
    list_filter = ("applies_to", "enabled")
    search_fields = ("pattern", "replacement")
    search_help_text = "Pattern or replacement"
