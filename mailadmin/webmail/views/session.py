"""Signing in and out. The session is the panel's: an administrator signs in once for both."""

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from mailadmin.sign_in import THROTTLED, WAIT, WebmailSignIn
from mailadmin.webmail.policy import guarded, page

WRONG = "This address and password do not belong together, or the account is disabled."


@guarded
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page for everybody with a mailbox."""
    target = _target(request)
    if request.user.is_authenticated:
        return redirect(target)
    address, problem = request.POST.get("username", ""), ""
    if request.method == "POST":
        problem = _sign_in(request)
        if not problem:
            return redirect(target)
    context = {"address": address, "problem": problem, "next": target, "title": "Sign in"}
    return render(request, "webmail/login.html", context, status=401 if problem else 200)


@page
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, everywhere it is used."""
    logout(request)
    return redirect("webmail:login")


def _sign_in(request: HttpRequest) -> str:
    """Sign in with what the form says; returns what is wrong, or ""."""
    form = WebmailSignIn(request, data=request.POST)
    if not form.is_valid():
        return WAIT if form.has_error("__all__", THROTTLED) else WRONG
    login(request, form.get_user())
    return ""


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=hosts, require_https=request.is_secure())
    return wanted if safe else "/mail/"
