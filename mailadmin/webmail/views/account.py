"""/mail/account/: one's own app passwords, whether mail programs need one, and who has logged in lately."""

from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of
from mailadmin.autoconfig.profiles import has_profile
from mailadmin.directory.app_password_form import LABELS
from mailadmin.directory.app_passwords import PROTOCOLS, make_app_password, revoke_app_password, with_use
from mailadmin.directory.last_logins import last_logins
from mailadmin.directory.models import Account, AppPassword
from mailadmin.webmail.own_app_password import OwnAppPasswordForm
from mailadmin.webmail.policy import page
from mailadmin.webmail.views.folders import frame


@page
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The page; posting to it makes an app password, which the answer shows this once."""
    owner = cast(Account, request.user)
    form, made, secret = _form(request, owner, request.POST or None), None, ""
    if form.is_bound and form.is_valid():
        try:
            made, secret = make_app_password(Actor.of_request(request), owner, **form.wanted())
            form = _form(request, owner)
        except ValidationError as error:
            form.add_error(None, ValidationError(error.messages))
    context = _context(request, owner, form, made, secret)
    return render(request, "webmail/account.html", context, status=400 if form.errors else 200)


@page
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one's own app password."""
    found = AppPassword.objects.filter(pk=pk, account_id=request.user.pk).first()
    if found is None:
        raise Http404
    revoke_app_password(Actor.of_request(request), found)
    messages.success(request, f"“{found.name}” is revoked: it opens nothing any more.")
    return redirect("webmail:account")


@page
@require_POST
def only_app_passwords(request: HttpRequest) -> HttpResponse:
    """Whether mail programs may still use the account's own password."""
    owner = cast(Account, request.user)
    before = values_of(owner)
    owner.app_passwords_only = request.POST.get("only") == "yes"
    owner.save(update_fields=["app_passwords_only"])
    record(Actor.of_request(request), AuditEntry.Action.CHANGED, owner, before, values_of(owner))
    said = "need an app password from now on" if owner.app_passwords_only else "may use your own password again"
    messages.success(request, f"Mail programs {said}.")
    return redirect("webmail:account")


def _form(request: HttpRequest, owner: Account, data: Any = None) -> OwnAppPasswordForm:
    allowed = _allowed(owner)
    form = OwnAppPasswordForm(request, data, initial={"protocols": list(allowed)})
    form.fields["protocols"].choices = [(name, LABELS[name]) for name in allowed]  # type: ignore[attr-defined]
    return form


def _allowed(owner: Account) -> tuple[str, ...]:
    """The protocols that the account itself may use."""
    return tuple(name for name in PROTOCOLS if getattr(owner, f"allow_{name}"))


def _context(
    request: HttpRequest, owner: Account, form: OwnAppPasswordForm, made: AppPassword | None, secret: str
) -> dict[str, Any]:
    own: dict[str, Any] = {
        "title": "Your account",
        "owner": owner,
        "form": form,
        "made": made,
        "secret": secret,
        "app_passwords": with_use(owner),
        "has_profile": has_profile(owner),
        "last_logins": last_logins(owner),
    }
    return {**frame(request, None), **own}
