"""Apple profiles to download: an account's or a domain's from the panel, one's own from webmail."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mailadmin.autoconfig import apple
from mailadmin.autoconfig.served import ServedDomain, served_domain
from mailadmin.directory.models import Account, Domain


@require_safe
@permission_required("directory.view_account", raise_exception=True)
def of_account(request: HttpRequest, pk: int) -> HttpResponse:
    """The profile of an account, for its owner's device."""
    return _profile_of(get_object_or_404(Account, pk=pk))


@require_safe
@permission_required("directory.view_domain", raise_exception=True)
def of_domain(request: HttpRequest, name: str) -> HttpResponse:
    """A profile that asks for the address."""
    return _download(served_domain(get_object_or_404(Domain, pk=name).name))


@require_safe
def own(request: HttpRequest) -> HttpResponse:
    """The profile of who is signed in."""
    return _profile_of(cast(Account, request.user))


def has_profile(account: Account) -> bool:
    """Whether a service to read mail and one to send it are open to this account."""
    domain = served_domain(account.domain_id, account)
    return domain is not None and apple.can_be_profiled(domain.services)


def _profile_of(account: Account) -> HttpResponse:
    return _download(served_domain(account.domain_id, account), account.address, account.display_name)


def _download(domain: ServedDomain | None, address: str = "", display_name: str = "") -> HttpResponse:
    if domain is None or not apple.can_be_profiled(domain.services):
        raise Http404("No service to read mail and one to send it are open.")
    response = HttpResponse(
        apple.profile(domain, address=address, display_name=display_name), content_type=apple.CONTENT_TYPE
    )
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-._@") else "_" for c in address or domain.name)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.mobileconfig"'
    return response
