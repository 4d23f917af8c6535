"""App passwords on the panel's page of an account: shown in a list, made and revoked by an administrator."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from mailadmin.audit.record import Actor
from mailadmin.directory.app_password_form import AppPasswordForm
from mailadmin.directory.app_passwords import make_app_password, revoke_app_password
from mailadmin.directory.models import Account, AppPassword


def make(request: HttpRequest, pk: int) -> HttpResponse:
    """A form of its own; the answer to it shows the app password this once."""
    account = _account(pk)
    back = reverse("admin:directory_account_change", args=[account.pk])
    form = AppPasswordForm(request.POST or None)
    context = {**admin.site.each_context(request), "account": account, "back": back}
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = make_app_password(Actor.of_request(request), account, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, ValidationError(error.messages))
        else:
            shown = {**context, "title": f"App password {made.name} of {account}", "secret": secret}
            response = TemplateResponse(request, "mailkeep/app_password_made.html", shown)
            response.headers["Cache-Control"] = "no-store"
            return response
    asked = {**context, "title": f"New app password for {account}", "form": form, "button": "Make app password"}
    return TemplateResponse(request, "mailkeep/form_page.html", asked)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Back to the account, without it."""
    found = AppPassword.objects.select_related("account").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such app password.")
    revoke_app_password(Actor.of_request(request), found)
    messages.success(request, f"App password {found.name} of {found.account} is revoked.")
    return HttpResponseRedirect(reverse("admin:directory_account_change", args=[found.account_id]))


def _account(pk: int) -> Account:
    account = Account.objects.filter(pk=pk).first()
    if account is None:
        raise Http404("There is no such account.")
    return account
