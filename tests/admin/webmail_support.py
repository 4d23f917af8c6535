"""A mailbox to look at: an account with a store on disk, messages in it, and a browser that is signed in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.test import Client

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account, Domain
from mailadmin.mailboxes.models import Mailbox, Message
from mailcore.identity import AccountRef
from mailcore.index.records import Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import ensure_account
from mailcore.sharing import acl
from mailcore.sharing.acl import Identifier
from mailcore.store.storage import Storage

PASSWORD = "correct horse battery"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@dataclass
class Reader:
    """Somebody with a mailbox."""

    account: Account
    storage: Storage
    client: Client = field(default_factory=Client)

    @property
    def ref(self) -> AccountRef:
        return AccountRef(self.account.pk, self.account.address, self.account.store, self.account.quota_bytes)

    def mailbox(self, name: str = "INBOX") -> Mailbox:
        return Mailbox.objects.get(account=self.account, name=name)

    def receive(self, content: str | bytes, name: str = "INBOX", bits: int = 0) -> int:
        """Put a message (LF line ends) into a mailbox; returns its UID."""
        data = content if isinstance(content, bytes) else content.encode()
        at = datetime.now(UTC)
        return mailboxes.append(raw_connection(), self.storage, self.ref, name, data, Flags(bits), at).uid

    def list_url(self, name: str = "INBOX") -> str:
        return f"/mail/folder/{self.mailbox(name).pk}/"

    def url(self, uid: int, view: str = "", name: str = "INBOX") -> str:
        return f"{self.list_url(name)}{uid}/{view}"

    def page(self, url: str, status: int = 200, **query: str) -> str:
        """The text of a page."""
        response = self.client.get(url, query)
        assert response.status_code == status, (response.status_code, response.content[:2000])
        return response.content.decode()

    def act(self, action: str, *uids: int, name: str = "INBOX", **fields: object) -> None:
        """Press a button over the list."""
        data = {"action": action, "uid": list(uids), **fields}
        response = self.client.post(f"{self.list_url(name)}act/", data)
        assert response.status_code == 303, response.content[:500]

    def flags(self, uid: int, name: str = "INBOX") -> int:
        return Message.objects.get(mailbox=self.mailbox(name), uid=uid).flags

    def uids(self, name: str = "INBOX") -> list[int]:
        return sorted(Message.objects.filter(mailbox=self.mailbox(name)).values_list("uid", flat=True))


def a_reader(address: str, home: Path, *, store: str = "maildir", **fields: object) -> Reader:
    """An account with its first mailboxes, signed in."""
    Domain.objects.get_or_create(name=address.rpartition("@")[2])
    account = Account.objects.create_user(address, None, store=store, **fields)
    reader = Reader(account, Storage(home / "mail"))
    ensure_account(raw_connection(), reader.storage, reader.ref)
    reader.client.force_login(account)
    return reader


def a_message(subject: str = "Hello", body: str = "Hi there", **headers: str) -> str:
    """A plain message."""
    fields = {"From": "Ann Example <ann@far.example>", "To": "alice@linuxadmin.dev", "Subject": subject, **headers}
    fields.setdefault("Date", "Sun, 22 Nov 2026 10:00:00 +0000")
    fields.setdefault("Message-ID", "<1@far.example>")
    return "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items()) + f"\n{body}\n"


def an_html_message(html: str, *, text: str = "the text instead", picture: bool = True) -> str:
    """multipart/related with an alternative and a picture named pic@x."""
    related = (
        f"\n--R\nContent-Type: image/png\nContent-Transfer-Encoding: base64\nContent-ID: <pic@x>\n\n{PIXEL}\n"
        if picture
        else ""
    )
    return (
        "From: Shop <shop@far.example>\nTo: alice@linuxadmin.dev\nSubject: Offers\nMIME-Version: 1.0\n"
        "Content-Type: multipart/related; boundary=R\n\n"
        "--R\nContent-Type: multipart/alternative; boundary=A\n\n"
        f"--A\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        f"--A\nContent-Type: text/html; charset=utf-8\n\n{html}\n--A--\n{related}\n--R--\n"
    )


def a_message_with_file(name: str, content_type: str = "application/pdf", content: str = "SGVsbG8=") -> str:
    """multipart/mixed with one attachment; `name` stands in the header as it is."""
    return (
        "From: ann@far.example\nTo: alice@linuxadmin.dev\nSubject: File\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=M\n\n"
        "--M\nContent-Type: text/plain\n\nsee the file\n"
        f"--M\nContent-Type: {content_type}\nContent-Transfer-Encoding: base64\n"
        f"Content-Disposition: attachment; filename={name}\n\n{content}\n--M--\n"
    )


def share(owner: Reader, rights: str, who: str = "alice@linuxadmin.dev", name: str = "Work") -> None:
    """Give rights in a mailbox, in place of what there was; none end it."""
    acl.change(raw_connection(), owner.ref, owner.mailbox(name).pk, Identifier.parse(who), rights)
