"""Picks up what bin/sendmail left in $MAIL_HOME/maildrop while SMTP was away, and hands it over.

`python -m mailadmin.appliance.pickup`: a small process of its own, without Django and without the database, because
everybody on the machine may put files there. A file is removed only when each of its recipients was taken or refused by
the SMTP server, or when the report about a refusal was; a crash in between leaves a duplicate, never a loss. A file
that makes no sense is moved to maildrop/corrupt for a person to look at.
"""

import importlib.machinery
import importlib.util
import json
import os
import signal
import stat
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from mailadmin.appliance.configuration import Configuration, client_host
from mailadmin.appliance.home import CODE

LOOK_EVERY_S = 1.0
# While SMTP is away a file is tried again with this pause, longer with each failure.
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
# Postfix's maximal_queue_lifetime.
EXPIRES_AFTER_S = 5 * 86400.0
LARGEST_BYTES = 1 << 30


class Corrupt(Exception):
    """A file that bin/sendmail cannot have written."""


@dataclass(frozen=True, slots=True)
class Left:
    """One message somebody left."""

    sender: str
    recipients: tuple[str, ...]
    options: dict[str, Any]
    message: bytes
    left_at: float


def load_sendmail() -> ModuleType:
    """bin/sendmail as a module: its SMTP dialogue is the one to use here too."""
    loader = importlib.machinery.SourceFileLoader("mailkeep_sendmail", str(CODE / "bin" / "sendmail"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # No compiled file is left beside the script: bin/ may be read-only.
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Pickup:
    """One maildrop and the SMTP server its messages go to."""

    def __init__(self, maildrop: Path, host: str, port: int) -> None:
        self._maildrop = maildrop
        self._address = (host, port)
        self._sendmail = load_sendmail()
        self._seen_ns = -1
        self._failures = 0
        self._not_before = 0.0

    def look(self, now: float) -> None:
        """Hand over what is there, unless nothing has changed since the last look and no file is due again."""
        changed_ns = os.stat(self._maildrop / "new").st_mtime_ns
        if changed_ns == self._seen_ns and (not self._failures or now < self._not_before):
            return
        # The clock of file times is coarse: a folder that changed just now may change again without showing it.
        self._seen_ns = changed_ns if now - changed_ns / 1e9 > 2.0 else -1
        if self._hand_over_all(now):
            self._failures, self._not_before = 0, 0.0
            return
        self._not_before = now + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1

    def _hand_over_all(self, now: float) -> bool:
        """One pass. True when nothing is left."""
        done = True
        for path in sorted((self._maildrop / "new").iterdir()):
            try:
                done = self._try(path, now) and done
            except self._sendmail.Unreachable as problem:
                if not self._failures:
                    say(f"waiting: {problem}")
                return False
        return done

    def _try(self, path: Path, now: float) -> bool:
        """One file. True when it is done with; raises Unreachable when nobody answers."""
        try:
            left = read_left(path)
        except FileNotFoundError:
            return True
        except (Corrupt, OSError) as problem:
            self._set_aside(path, problem)
            return True
        outcome = self._hand_over(left.sender, left.recipients, left.message, left.options)
        if now - left.left_at > EXPIRES_AFTER_S:
            outcome = {address: (code + 100 * (400 <= code < 500), text) for address, (code, text) in outcome.items()}
        return self._finish(path, left, outcome)

    def _finish(self, path: Path, left: Left, outcome: dict[str, tuple[int, str]]) -> bool:
        later = tuple(address for address, (code, _) in outcome.items() if 400 <= code < 500)
        refused = {address: reply for address, reply in outcome.items() if reply[0] >= 500}
        for address, (code, text) in outcome.items():
            say(f"{path.name}: from=<{left.sender}> to=<{address}>: {code} {first_line(text)}")
        # Whom we have reached is noted before anything else is tried, so that nobody is written to twice.
        remaining = (*later, *refused)
        if remaining and len(remaining) < len(left.recipients):
            replace(path, left, remaining)
        if refused and self._report(left, refused):
            remaining = later
            if later:
                replace(path, left, later)
        if remaining:
            return False
        path.unlink()
        return True

    def _report(self, left: Left, refused: dict[str, tuple[int, str]]) -> bool:
        """Tell the sender. True when that was taken, or when there is nobody to tell."""
        if not left.sender:
            return True
        try:
            report = build(left, refused)
            outcome = self._hand_over("", (left.sender,), report, {})
        except ValueError as problem:
            say(f"no report to <{left.sender}>: {problem}")
            return True
        code, text = outcome[left.sender]
        say(f"report to <{left.sender}>: {code} {first_line(text)}")
        return not 400 <= code < 500

    def _hand_over(
        self, sender: str, recipients: tuple[str, ...], message: bytes, options: dict[str, Any]
    ) -> dict[str, tuple[int, str]]:
        outcome: dict[str, tuple[int, str]] = self._sendmail.hand_over(
            *self._address, sender, list(recipients), message, options
        )
        return outcome

    def _set_aside(self, path: Path, problem: Exception) -> None:
        say(f"{path.name} set aside: {problem}")
        corrupt = self._maildrop / "corrupt"
        corrupt.mkdir(mode=0o700, exist_ok=True)
        path.rename(corrupt / path.name)


def read_left(path: Path) -> Left:
    """Read one file. Whoever may write here may not make us read something else: no links, no devices."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > LARGEST_BYTES:
            raise Corrupt("not an ordinary file")
        head, message = file.readline(1 << 20), file.read()
    try:
        fields = json.loads(head)
        sender, recipients, options = fields["sender"], fields["recipients"], fields["options"]
    except (ValueError, TypeError, KeyError):
        raise Corrupt("its first line is not ours") from None
    words = [sender, *recipients] if isinstance(recipients, list) and recipients else [None]
    if not all(isinstance(word, str) and word.isprintable() for word in words) or not isinstance(options, dict):
        raise Corrupt("its first line has no addresses")
    return Left(sender, tuple(recipients), _known(options), message, found.st_mtime)


def replace(path: Path, left: Left, recipients: tuple[str, ...]) -> None:
    """The same file for those who still wait, durable before it takes the old one's place."""
    head = json.dumps({"sender": left.sender, "recipients": recipients, "options": left.options})
    unfinished = path.parent.parent / "tmp" / f"{path.name}.rest"
    with open(unfinished, "wb") as file:
        file.write(head.encode() + b"\n" + left.message)
        file.flush()
        os.fsync(file.fileno())
    # It has waited since it was left.
    os.utime(unfinished, (left.left_at, left.left_at))
    unfinished.rename(path)


def build(left: Left, refused: dict[str, tuple[int, str]]) -> bytes:
    """The report about refused recipients. Raises ValueError when an address cannot be reported about."""
    from mailcore.address import Address
    from mailcore.dsn.decide import Action
    from mailcore.dsn.report import MAX_RETURNED_BYTES, About, Reported, Reporter, build_report
    from mailcore.envelope import Envelope, Recipient
    from mailcore.errors import AddressSyntaxError
    from mailcore.ids import new_message_id, new_queue_id
    from mailcore.reply import Reply

    sendmail = load_sendmail()
    now, domain = datetime.now(UTC), sendmail.domain()

    def qualified(address: str) -> Address:
        try:
            return Address.parse(address if "@" in address else f"{address}@{domain}")
        except AddressSyntaxError as problem:
            raise ValueError(str(problem)) from problem

    reported = []
    for address, (code, text) in refused.items():
        recipient = Recipient(address=qualified(address), original=qualified(address))
        enhanced, _, words = first_line(text).partition(" ")
        reply = Reply(code, enhanced, words) if enhanced.count(".") == 2 else Reply(code, "5.0.0", first_line(text))
        reported.append(Reported(Action.FAILED, recipient, f"{domain}:25", reply, now))
    envelope = Envelope(qualified(left.sender), tuple(item.recipient for item in reported))
    left_at = datetime.fromtimestamp(left.left_at, UTC)
    content = left.message[:MAX_RETURNED_BYTES]
    complete = len(content) == len(left.message)
    about = About(new_queue_id(), envelope, "", left_at, now, content, is_complete=complete)
    report = build_report(Reporter(domain, f"MAILER-DAEMON@{domain}"), about, reported, new_message_id(domain), now)
    # The SMTP server writes its own Return-Path.
    return report.removeprefix(b"Return-Path: <>\n")


def first_line(text: str) -> str:
    return text.partition("\n")[0]


def say(text: str) -> None:
    print(f"pickup: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Look once a second until told to stop."""
    configuration = Configuration.from_environment()
    host = client_host(configuration.listen_addresses[0]).strip("[]")
    pickup = Pickup(configuration.home / "maildrop", host, configuration.ports["SMTP_PORT"])

    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping.wait(LOOK_EVERY_S):
        try:
            pickup.look(time.time())
        except OSError as problem:
            say(f"cannot look: {problem}")


def _known(options: dict[str, Any]) -> dict[str, Any]:
    """Only what bin/sendmail writes, and only text that stays on its line."""
    return {
        name: value
        for name in ("notify", "ret", "envid")
        if isinstance(value := options.get(name), str) and value.isprintable() and len(value) <= 100
    }


if __name__ == "__main__":
    main()
