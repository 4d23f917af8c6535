"""Clients that ask one thing over and over, and note every answer in a word and how long it took."""

from __future__ import annotations

import contextlib
import http.client
import imaplib
import itertools
import poplib
import re
import smtplib
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import CookieJar
from typing import Any

from tests.fakes.mail_senders import TIMEOUT_S, trusting

CLOSED = "closed"
_CODE = re.compile(r"\[([A-Z/-]+)[ \]]")


class Probe(threading.Thread):
    """Asks every `every_s` until stopped. `ask` returns a word; a connection that ends is the word "closed"."""

    def __init__(self, name: str, ask: Callable[[], str], good: str, *, every_s: float = 0.2) -> None:
        super().__init__(name=name, daemon=True)
        self.answers: Counter[str] = Counter()
        self.longest_s = 0.0
        self.good_at = 0.0
        self._ask = ask
        self._good = good
        self._every_s = every_s
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._every_s):
            asked_at = time.monotonic()
            word = self._answer()
            self.answers[word] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - asked_at)
            if word == self._good:
                # A question that was asked before counts as of its own time.
                self.good_at = asked_at

    def stop(self) -> None:
        self._over.set()

    def _answer(self) -> str:
        try:
            return self._ask()
        except (OSError, EOFError, smtplib.SMTPServerDisconnected, imaplib.IMAP4.abort, http.client.HTTPException):
            return CLOSED


def smtp_auth(port: int, accounts: Sequence[str], password: str) -> Callable[[], str]:
    """AUTH PLAIN on the submission port."""
    names = itertools.cycle(accounts)

    def ask() -> str:
        with _smtp(port) as client:
            client.starttls(context=trusting())
            client.ehlo()
            client.user, client.password = next(names), password
            try:
                return str(client.auth("PLAIN", client.auth_plain)[0])
            except smtplib.SMTPResponseException as error:
                return str(error.smtp_code)

    return ask


def smtp_rcpt(port: int, accounts: Sequence[str]) -> Callable[[], str]:
    """RCPT to somebody who exists."""
    names = itertools.cycle(accounts)

    def ask() -> str:
        with _smtp(port) as client:
            code, _ = client.mail("probe@elsewhere.test")
            return str(client.rcpt(next(names))[0] if code == 250 else code)

    return ask


@contextlib.contextmanager
def _smtp(port: int) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        client.ehlo()
        yield client
    finally:
        client.close()


def imap_login(port: int, accounts: Sequence[str], password: str) -> Callable[[], str]:
    """LOGIN over TLS."""
    names = itertools.cycle(accounts)

    def ask() -> str:
        client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=trusting(), timeout=TIMEOUT_S)
        try:
            return client.login(next(names), password)[0]
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            return _with_code("NO", str(error))
        finally:
            client.shutdown()

    return ask


def imap_session(client: imaplib.IMAP4) -> Callable[[], str]:
    """Commands of a session that is logged in, in turn."""
    commands: Iterator[Callable[[], tuple[str, list[Any]]]] = itertools.cycle(
        (
            lambda: client.select("INBOX"),
            lambda: client.fetch("1:*", "(FLAGS BODY.PEEK[])"),
            lambda: client.store("1:*", "+FLAGS", r"(\Flagged)"),
            lambda: client.status("INBOX", "(MESSAGES UIDNEXT)"),
            lambda: client.append("INBOX", "", "", b"Subject: probe\r\n\r\nprobe\r\n"),
            lambda: client.search(None, "TEXT", "probe"),
            client.noop,
            lambda: client.list(),
        )
    )

    def ask() -> str:
        try:
            status, said = next(commands)()
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            # imaplib's own refusal to FETCH where its SELECT has just failed is no answer of the server.
            return "NO [UNAVAILABLE]" if "illegal in state" in str(error) else f"error {error}"
        return status if status == "OK" else _with_code(status, str(said[0]))

    return ask


def pop3_login(port: int, accounts: Sequence[str], password: str) -> Callable[[], str]:
    """USER and PASS over TLS."""
    names = itertools.cycle(accounts)

    def ask() -> str:
        client = poplib.POP3_SSL("127.0.0.1", port, context=trusting(), timeout=TIMEOUT_S)
        try:
            client.user(next(names))
            client.pass_(password)
            return "+OK"
        except poplib.error_proto as error:
            return _with_code("-ERR", str(error))
        finally:
            client.close()

    return ask


def api(appliance: Any, path: str) -> Callable[[], str]:
    """GET with a token."""
    assert appliance.token
    return lambda: str(appliance.api("GET", path).status)


class Browser:
    """Cookies and forms, no redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(_Stay(), urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> str:
        """The status of a page."""
        return self._open(urllib.request.Request(self._url + path))

    def post(self, path: str, form: dict[str, str]) -> str:
        """The status of a form that was sent, with the token its page has set."""
        token = next((cookie.value for cookie in self._cookies if cookie.name == "csrftoken"), "") or ""
        data = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token}).encode()
        return self._open(urllib.request.Request(self._url + path, data, {"Referer": self._url}))

    def _open(self, request: urllib.request.Request) -> str:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                answer.read()
                return str(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def webmail_sign_in(url: str, accounts: Sequence[str], password: str) -> Callable[[], str]:
    """The sign-in form, each time in a fresh browser: 302 is success, 401 "wrong password"."""
    names = itertools.cycle(accounts)

    def ask() -> str:
        browser = Browser(url)
        shown = browser.get("/mail/login/")
        return (
            shown if shown != "200" else browser.post("/mail/login/", {"username": next(names), "password": password})
        )

    return ask


def _with_code(status: str, text: str) -> str:
    found = _CODE.search(text)
    return f"{status} [{found[1]}]" if found else f"{status} {text}"
