"""API tokens in the panel: made with scopes, shown once, switched off or deleted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from mailadmin.api.models import ApiToken
from mailadmin.api.scopes import ADMIN, ALL_SCOPES
from mailadmin.api.tokens import new_text
from mailadmin.audit.admin_base import PanelAdmin
from mailadmin.directory.templatetags.mailkeep import moment


def scope_choices() -> list[tuple[str, str]]:
    """`admin` first, as it includes the others."""
    return [(ADMIN, "admin: everything"), *((scope, scope) for scope in sorted(ALL_SCOPES - {ADMIN}))]


class ApiTokenForm(forms.ModelForm):
    """The scopes as check boxes."""

    scopes = forms.MultipleChoiceField(
        choices=scope_choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Give no more than its user needs; write includes read.",
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes", "enabled", "expires_at")

    def clean_scopes(self) -> list[str]:
        return sorted(self.cleaned_data["scopes"])


@admin.register(ApiToken)
class ApiTokenAdmin(PanelAdmin):
    """The token's text exists only in the answer to the request that made it."""

    form = ApiTokenForm
    list_display = ("name", "scope_list", "enabled", "expires", "used")
    list_filter = ("enabled",)
    search_fields = ("name",)
    search_help_text = "Name"
    fieldsets = ((None, {"fields": ("name", "scopes", "enabled", "expires_at")}),)

    @display(description="scopes")
    def scope_list(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @display(description="expires", ordering="expires_at")
    def expires(self, token: ApiToken) -> str:
        return moment(token.expires_at) or "never"

    @display(description="last used", ordering="last_used_at")
    def used(self, token: ApiToken) -> str:
        return moment(token.last_used_at) or "never"

    def store(self, request: HttpRequest, obj: ApiToken, form: ModelForm, change: bool) -> None:
        if not change:
            obj.shown_once, obj.token_hash = new_text()  # type: ignore[attr-defined]
        super().store(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": f"Token {obj}", "token": obj.shown_once}
        response = TemplateResponse(request, "mailkeep/token_made.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response
