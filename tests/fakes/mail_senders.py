"""Clients that never give up: each sends one numbered message after the other, and again what was not acknowledged.

A connection that breaks is opened again, "not now" is tried again later; what no client should hear while services
come and go (a 5xx, "authentication failed", NO without a reason that passes) goes to the ledger's `wrong`.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes.mail_ledger import Ledger

TIMEOUT_S = 60.0  # a client on a busy machine is patient
PAUSE_S = 0.1  # before it tries again
TEMPORARY_NO = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT)\]")


class WrongAnswer(Exception):
    """The server said something for good that is not so."""


class Sender(threading.Thread):
    """Sends until `over` is set, then only what it has begun, for at most `patience_s`."""

    def __init__(
        self, ledger: Ledger, over: threading.Event, choose: Callable[[int], Sequence[str]], *, pace_s: float = 0.0
    ) -> None:
        super().__init__(daemon=True)
        self.ledger = ledger
        self.over = over
        self.choose = choose
        self.pace_s = pace_s
        self.patience_s = 120.0
        self.finished = False

    def run(self) -> None:
        while not self.over.wait(self.pace_s):
            self._deliver(self.ledger.next_number())
        self.close()
        self.finished = True

    def _deliver(self, number: int) -> None:
        attempt, recipients, gave_up_at = 0, self.choose(number), float("inf")
        while time.monotonic() < gave_up_at:
            attempt += 1
            try:
                self.connect()
                uid = self.send((number, attempt), recipients)
            except WrongAnswer as error:
                self.ledger.note_wrong(f"{type(self).__name__}: {error}")
            except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
                self.ledger.note_wait(_in_short(error))
            else:
                self.ledger.acknowledge((number, attempt), uid)
                return
            self.close()
            if self.over.is_set() and gave_up_at == float("inf"):
                gave_up_at = time.monotonic() + self.patience_s
            time.sleep(PAUSE_S)
        self.ledger.note_wrong(f"{type(self).__name__}: number {number} was never taken")

    def connect(self) -> None:
        """Have a connection that is ready for the next message."""
        raise NotImplementedError

    def send(self, attempt: tuple[int, int], recipients: Sequence[str]) -> int:
        """Send one message. Returns when it is acknowledged; its UID where there is one."""
        raise NotImplementedError

    def close(self) -> None:
        """Whatever state the connection is in."""
        raise NotImplementedError


class SmtpSender(Sender):
    """Mail from elsewhere, to port 25."""

    sender = "load@elsewhere.test"

    def __init__(self, port: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.port = port
        self._client: smtplib.SMTP | None = None

    def connect(self) -> None:
        if self._client is None:
            client = smtplib.SMTP("127.0.0.1", self.port, timeout=TIMEOUT_S)
            try:
                with _no_5xx():
                    self._greet(client)
            except BaseException:
                client.close()
                raise
            self._client = client

    def _greet(self, client: smtplib.SMTP) -> None:
        _expect(client.ehlo(), "EHLO")

    def send(self, attempt: tuple[int, int], recipients: Sequence[str]) -> int:
        assert self._client is not None
        with _no_5xx():
            client, text = self._client, self.ledger.write(attempt, self.sender, recipients)
            _expect(client.mail(self.sender, ["BODY=8BITMIME"]), "MAIL")
            for recipient in recipients:
                _expect(client.rcpt(recipient), "RCPT")
            _expect(client.data(text), "DATA")
        return 0

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


class Submitter(SmtpSender):
    """A user's program: submission with STARTTLS and AUTH PLAIN."""

    def __init__(self, login: str, password: str, port: int, *arguments: Any, **options: Any) -> None:
        super().__init__(port, *arguments, **options)
        self.sender = login
        self._password = password

    def _greet(self, client: smtplib.SMTP) -> None:
        super()._greet(client)
        _expect(client.starttls(context=trusting()), "STARTTLS")
        _expect(client.ehlo(), "EHLO")
        client.user, client.password = self.sender, self._password
        # One mechanism: login() would try them all and take the time of each.
        _expect(client.auth("PLAIN", client.auth_plain), "AUTH")


class Appender(Sender):
    """An IMAP client that stores messages with APPEND. The first recipient is the login."""

    def __init__(self, port: int, password: str, mailbox: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.port = port
        self._password = password
        self._mailbox = mailbox
        self._client: imaplib.IMAP4 | None = None

    def connect(self) -> None:
        if self._client is None:
            self._client = log_in(self.port, self.choose(0)[0], self._password)

    def send(self, attempt: tuple[int, int], recipients: Sequence[str]) -> int:
        assert self._client is not None
        text = self.ledger.write(attempt, recipients[0], recipients)
        status, said = self._client.append(self._mailbox, "", "", text)
        if status != "OK":
            words = b" ".join(said).decode()
            raise OSError(words) if TEMPORARY_NO.search(words) else WrongAnswer(f"APPEND {words}")
        return int(re.search(rb"APPENDUID \d+ (\d+)", said[0])[1])  # type: ignore[index]

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                self._client.shutdown()
        self._client = None


def log_in(port: int, login: str, password: str) -> imaplib.IMAP4:
    """IMAP over TLS. Raises WrongAnswer when the password is said to be wrong."""
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=trusting(), timeout=TIMEOUT_S)
    try:
        client.login(login, password)
    except (OSError, imaplib.IMAP4.error) as error:
        with contextlib.suppress(OSError):
            client.shutdown()
        if not isinstance(error, imaplib.IMAP4.error) or isinstance(error, imaplib.IMAP4.abort):
            raise
        if TEMPORARY_NO.search(str(error)):
            raise
        raise WrongAnswer(f"LOGIN {error}") from error
    return client


def trusting() -> ssl.SSLContext:
    """The appliance's certificate is its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _expect(answer: tuple[int, bytes], command: str) -> None:
    code, text = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, f"{command}: {text.decode(errors='replace')}")


@contextlib.contextmanager
def _no_5xx() -> Any:
    """5xx is a wrong answer, 4xx one to wait on. -1 is smtplib's word for a connection that ended."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= 500:
            raise WrongAnswer(f"{error.smtp_code} {error.smtp_error!r}") from error
        raise


def _in_short(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code}"
    if isinstance(error, imaplib.IMAP4.error) or TEMPORARY_NO.search(str(error)):
        found = TEMPORARY_NO.search(str(error))
        return f"NO {found[0]}" if found else "connection closed"
    return "connection closed" if isinstance(error, smtplib.SMTPServerDisconnected) else type(error).__name__
