"""Domains, accounts and aliases in the panel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.audit.record import Actor, record_new_password
from mailadmin.autoconfig.apple import can_be_profiled
from mailadmin.database import raw_connection
from mailadmin.directory import services
from mailadmin.directory.alias_graph import unknown_targets
from mailadmin.directory.app_passwords import with_use
from mailadmin.directory.client_settings import client_services, dns_records
from mailadmin.directory.forms import (
    AccountAddForm,
    AccountChangeForm,
    AliasForm,
    DomainForm,
    SetPasswordForm,
    is_last_administrator,
)
from mailadmin.directory.last_logins import last_logins, unused_for, with_last_login
from mailadmin.directory.mail_files import remove_mail_after_commit
from mailadmin.directory.models import CREDENTIAL_FIELDS, Account, Alias, Domain, OauthIssuer
from mailadmin.directory.quantities import format_bytes
from mailadmin.directory.templatetags.mailkeep import age, moment
from mailadmin.mailboxes.share_admin import shares_of
from mailadmin.status.account_page import about_account
from mailcore.config.loader import load_snapshot

# There is one right, being an administrator: groups would be a page that does nothing.
admin.site.unregister(Group)

UNUSED_DAYS = ("30", "90", "365")
KIND_TONES = {"local": "success", "relay": "info", "alias": "warning"}


def count_of(model: type[Account] | type[Alias]) -> Coalesce:
    """How many rows of `model` a domain has, as a subquery: two joins would multiply each other."""
    rows = model.objects.filter(domain=OuterRef("pk")).order_by().values("domain").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


@admin.register(Domain)
class DomainAdmin(PanelAdmin):
    """Domains; the page of one shows its DNS records and the settings of a mail client."""

    form = DomainForm
    fields = ("name", "kind", "alias_of", "enabled", "description")
    autocomplete_fields = ("alias_of",)
    list_display = (
        "name",
        "kind_label",
        "stands_for",
        "accounts_count",
        "aliases_count",
        "enabled",
        "description",
    )
    list_filter = ("kind", "enabled")
    search_fields = ("name", "description")
    search_help_text = "Name or description"
    ordering = ("name",)
    change_form_outer_after_template = "mailkeep/domain_after.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        return super().get_queryset(request).annotate(account_count=count_of(Account), alias_count=count_of(Alias))

    def get_readonly_fields(self, request: HttpRequest, obj: Domain | None = None) -> tuple[str, ...]:
        return ("name",) if obj else ()

    @display(description="kind", ordering="kind", label=KIND_TONES)
    def kind_label(self, domain: Domain) -> tuple[str, str]:
        return domain.kind, domain.kind

    @display(description="alias of", ordering="alias_of")
    def stands_for(self, domain: Domain) -> str:
        return domain.alias_of_id or ""

    @display(description="accounts", ordering="account_count")
    def accounts_count(self, domain: Any) -> SafeString | str:
        return _count_link("admin:directory_account_changelist", domain, domain.account_count)

    @display(description="aliases", ordering="alias_count")
    def aliases_count(self, domain: Any) -> SafeString | str:
        return _count_link("admin:directory_alias_changelist", domain, domain.alias_count)

    def store(self, request: HttpRequest, obj: Domain, form: ModelForm, change: bool) -> None:
        known = set(obj.aliases.values_list("address", flat=True)) if change else set()
        services.save_domain(obj)
        made = obj.aliases.filter(is_system=True).exclude(address__in=known).values_list("address", flat=True)
        if made:
            messages.info(request, f"System aliases: {', '.join(made)} (RFC 2142). Change their targets under Aliases.")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What would go and what stands in the way, as counts: a domain may have thousands of accounts."""
        shown, obstacles = [], []
        for domain in objs:
            shown.append(f"{domain} with {domain.aliases.count()} aliases")
            if accounts := domain.accounts.count():
                obstacles.append(f"{accounts} accounts of {domain}: delete them first")
            obstacles += [f"{other} is an alias domain of {domain}" for other in domain.alias_domains.all()]
        return shown, {"domains": len(shown)}, set(), obstacles

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **self._about(object_id)})

    def _about(self, name: str) -> dict[str, Any]:
        domain = Domain.objects.filter(pk=name).first()
        if domain is None or domain.kind == Domain.Kind.RELAY:
            return {}
        snapshot = load_snapshot(raw_connection())
        services = client_services(snapshot.myhostname)
        return {
            "dns_records": dns_records(domain.name, snapshot),
            "client_services": services,
            "profile_url": reverse("admin:domain_profile", args=[domain.name]) if can_be_profiled(services) else "",
            "account_count": domain.accounts.count(),
            "alias_count": domain.aliases.count(),
            "mail_domain": domain,
        }


class UnusedFilter(admin.SimpleListFilter):
    """Accounts that nobody needs any more."""

    title, parameter_name = "last login", "unused_days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(days, f"none for {days} days") for days in UNUSED_DAYS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        return unused_for(queryset, int(self.value())) if self.value() in UNUSED_DAYS else queryset


@admin.register(Account)
class AccountAdmin(PanelAdmin):
    """Accounts: address and password are enough to make one."""

    list_display = ("address", "display_name", "usage_bar", "protocols", "store", "standing", "seen")
    list_filter = (("domain", AutocompleteSelectFilter), "enabled", "store", "is_staff", UnusedFilter)
    list_filter_submit = True
    search_fields = ("address", "display_name")
    search_help_text = "Address or name"
    ordering = ("address",)
    list_select_related = ("usage",)
    actions_detail = ("set_password",)
    change_form_outer_after_template = "mailkeep/account_after.html"
    delete_confirmation_template = "mailkeep/account_delete.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return with_last_login(super().get_queryset(request))

    def get_form(self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = AccountChangeForm if obj else AccountAddForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        return ("address", "store", "usage_bar", "logins", "made") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        who = ("address", "display_name") if obj else ("address", "password", "display_name")
        mail = (
            ("usage_bar", "quota_bytes", "quota_messages", "store")
            if obj
            else ("quota_bytes", "quota_messages", "store")
        )
        login = ("enabled", ("allow_imap", "allow_pop3", "allow_smtp"), "app_passwords_only", "login_networks")
        facts = ("logins", "made") if obj else ()
        return (
            (None, {"fields": who}),
            ("Mailbox", {"fields": mail}),
            ("Login", {"fields": (*login, *facts)}),
            ("Administration", {"fields": ("is_staff",)}),
        )

    @display(description="used", ordering="usage__bytes")
    def usage_bar(self, account: Account) -> str:
        used = account.usage.bytes if hasattr(account, "usage") else 0
        limit = account.quota_bytes
        return render_to_string(
            "mailkeep/usage.html",
            {
                "used": format_bytes(used),
                "limit": format_bytes(limit),
                "percent": min(100 * used // limit, 100) if limit else None,
            },
        )

    @display(description="protocols")
    def protocols(self, account: Account) -> SafeString | str:
        allowed = {"IMAP": account.allow_imap, "POP3": account.allow_pop3, "SMTP": account.allow_smtp}
        badges = [(name,) for name, yes in allowed.items() if yes]
        shown = format_html_join(" ", '<span class="mk-badge">{}</span>', badges)
        return format_html('<span class="mk-nowrap">{}</span>', shown) if badges else "none"

    @display(description="standing", ordering="enabled", label={"administrator": "info", "disabled": "danger"})
    def standing(self, account: Account) -> str:
        if not account.enabled:
            return "disabled"
        return "administrator" if account.is_staff else "enabled"

    @display(description="last login", ordering=F("last_login").asc(nulls_first=True))
    def seen(self, account: Any) -> SafeString | str:
        if account.last_login is None:
            return "never"
        at = account.last_login.strftime("%Y-%m-%d %H:%M:%S UTC")
        return format_html('<span class="mk-nowrap" title="{}">{} ago</span>', at, age(account.last_login))

    @display(description="last logins")
    def logins(self, account: Account) -> SafeString | str:
        return render_to_string("mailkeep/last_logins.html", {"logins": last_logins(account)})

    @display(description="created")
    def made(self, account: Account) -> SafeString | str:
        return moment(account.created_at)

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Not oneself, and not the last one who could let others in."""
        if isinstance(obj, Account) and (obj.pk == request.user.pk or is_last_administrator(obj)):
            return False
        return super().has_delete_permission(request, obj)

    def remove(self, request: HttpRequest, obj: Account) -> None:
        """The messages go too, unless asked to stay: whoever gets the address next must not find them."""
        if "keep_mail" not in request.POST:
            remove_mail_after_commit(obj.address)
        super().remove(request, obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Counts instead of a list of every message: a mailbox may hold a hundred thousand."""
        accounts = list(objs)
        shown = [f"{account}: {self._stored(account)}" for account in accounts]
        kept = [str(account) for account in accounts if not self.has_delete_permission(request, account)]
        return shown, {"accounts": len(accounts)}, set(), kept

    def _stored(self, account: Account) -> str:
        usage = getattr(account, "usage", None)
        if usage is None or not usage.messages:
            return "no messages"
        return f"{usage.messages} messages ({format_bytes(usage.bytes)}) in its mailboxes, on disk too"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        about: dict[str, Any] = {}
        if account is not None:
            server = load_snapshot(raw_connection()).myhostname
            services = client_services(server, account)
            about = {
                "client_services": services,
                "profile_url": reverse("admin:account_profile", args=[account.pk]) if can_be_profiled(services) else "",
                "aliases_to": _aliases_to(account),
                **about_account(account),
                "app_passwords": with_use(account),
                **shares_of(account),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})

    @action(description="Set password", icon="key", url_path="password", permissions=["change"])
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page of its own: the new password is hashed, never shown and never logged."""
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404
        form = SetPasswordForm(account, request.POST or None)
        back = reverse("admin:directory_account_change", args=[account.pk])
        if request.method == "POST" and form.is_valid():
            self._store_password(request, account, form.cleaned_data["password"])
            return HttpResponseRedirect(back)
        return form_page(request, self.admin_site, f"New password for {account}", form, "Set password", back)

    def _store_password(self, request: HttpRequest, account: Account, password: str) -> None:
        account.set_password(password)
        with transaction.atomic():
            account.save(update_fields=CREDENTIAL_FIELDS)
            record_new_password(Actor.of_request(request), str(account))
        if account.pk == request.user.pk:
            # Otherwise the next click would ask for the new password.
            update_session_auth_hash(request, account)
        messages.success(request, f"The password of {account} is set; it is in force at once.")


@admin.register(Alias)
class AliasAdmin(PanelAdmin):
    """Aliases with their targets, one per line."""

    form = AliasForm
    list_display = ("address", "target_list", "enabled", "kind", "note")
    list_filter = (("domain", AutocompleteSelectFilter), "enabled", "is_system")
    # What else one would sort by is a filter: a million rows in the order of a switch help nobody.
    sortable_by = ("address",)
    list_filter_submit = True
    search_fields = ("address", "targets", "note")
    search_help_text = "Address, target or note"
    ordering = ("address",)

    @display(description="targets")
    def target_list(self, alias: Alias) -> SafeString:
        shown = format_html_join(SafeString("<br>"), "{}", [(target,) for target in alias.targets[:5]])
        more = f"and {len(alias.targets) - 5} more" if len(alias.targets) > 5 else ""
        return format_html('<span>{} <span class="mk-quiet">{}</span></span>', shown, more)

    @display(description="kind", label={"catch-all": "warning", "system": "info"})
    def kind(self, alias: Alias) -> str | None:
        return "catch-all" if alias.address.startswith("@") else "system" if alias.is_system else None

    def get_readonly_fields(self, request: HttpRequest, obj: Alias | None = None) -> tuple[str, ...]:
        return ("address",) if obj else ()

    def store(self, request: HttpRequest, obj: Alias, form: ModelForm, change: bool) -> None:
        super().store(request, obj, form, change)
        if unknown := unknown_targets(obj.targets):
            messages.warning(
                request, f"Nobody here knows {', '.join(unknown)}. Mail to this alias will partly be refused."
            )


@admin.register(OauthIssuer)
class OauthIssuerAdmin(PanelAdmin):
    """Whose access tokens open mailboxes; while there is none, no mail program is offered OAUTHBEARER or XOAUTH2."""

    list_display = ("issuer", "audience", "address_claim", "enabled")
    list_filter = ("enabled",)
    search_fields = ("issuer", "audience")
    search_help_text = "Issuer or audience"
    ordering = ("issuer",)
    fields = ("issuer", "audience", "jwks_url", "jwks", "address_claim", "enabled")
    nothing = "No issuer yet: mail programs log in with passwords and app passwords."


def form_page(
    request: HttpRequest, site: admin.AdminSite, title: str, form: Any, button: str, back: str
) -> TemplateResponse:
    """A form of its own inside the panel's frame."""
    context = {**site.each_context(request), "title": title, "form": form, "button": button, "back": back}
    return TemplateResponse(request, "mailkeep/form_page.html", context)


def _count_link(view: str, domain: Domain, count: int) -> SafeString | str:
    if not count:
        return "–"
    return format_html('<a class="mk-link" href="{}?domain__name__exact={}">{}</a>', reverse(view), domain.name, count)


def _aliases_to(account: Account) -> QuerySet[Alias]:
    return Alias.objects.filter(targets__contains=[account.address])
