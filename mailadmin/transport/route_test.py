"""Which way would mail to this address go? The answer of the same routing that the programs use, in words.

Nothing is sent and nothing is looked up in DNS: the page shows the decision, and which rule made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from psycopg.rows import dict_row

from mailadmin.database import raw_connection
from mailadmin.directory.alias_graph import lists_root
from mailadmin.transport.forms import RouteTestForm
from mailcore.address import Address
from mailcore.config.loader import load_snapshot
from mailcore.config.snapshot import Snapshot, match_keys
from mailcore.directory import statements
from mailcore.directory.lookups import AccountRecord, AliasRecord, Entry
from mailcore.directory.postgres import entry_of
from mailcore.envelope import Recipient
from mailcore.errors import DirectoryUnavailable
from mailcore.routing.lists import FileLists
from mailcore.routing.resolve import resolve
from mailcore.routing.rewrite import SENDER, rewrite
from mailcore.routing.route import Routes

CLASSES = {
    "local": "a local domain: its mailboxes are here",
    "relay": "a relay domain: its mail is passed on",
    "alias": "an alias domain: another name of {alias_of}",
}


class RequestDirectory:
    """The Directory over the connection of this request; remembers which aliases were followed."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self.followed: list[AliasRecord] = []

    def entry(self, key: str) -> Entry:
        with self._conn.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statements.ENTRY, {"key": key}).fetchone()
        entry = entry_of(row) if row else Entry()
        if entry.alias is not None and entry.alias not in self.followed:
            self.followed.append(entry.alias)
        return entry

    def account(self, key: str) -> AccountRecord | None:
        return self.entry(key).account

    def alias(self, key: str) -> AliasRecord | None:
        return self.entry(key).alias

    def cached(self, key: str) -> Entry | None:
        return self.entry(key)

    def aliases_to(self, target: str) -> frozenset[str]:
        rows = self._conn.execute(statements.ALIASES_TO, {"target": target}).fetchall()
        return frozenset(row[0] for row in rows)


@dataclass(frozen=True, slots=True)
class RemoteWay:
    """Where the mail for one foreign recipient goes."""

    recipient: str
    next_hop: str
    how: str
    tls: str
    login: str


@dataclass(frozen=True, slots=True)
class Answer:
    """All that the page shows."""

    asked: str
    rewritten: str
    domain_class: str
    followed: Sequence[AliasRecord] = ()
    mailboxes: Sequence[str] = ()
    remote: Sequence[RemoteWay] = ()
    refusal: str = ""
    rule: str = ""
    problem: str = ""
    sender: str = ""


@require_safe
def route_test(request: HttpRequest) -> HttpResponse:
    """The form, and the answer when an address was given."""
    form = RouteTestForm(request.GET if request.GET.get("recipient") is not None else None)
    answer = None
    if form.is_bound and form.is_valid():
        answer = ask(raw_connection(), form.cleaned_data["recipient"], form.cleaned_data["sender"])
    context = {**admin.site.each_context(request), "title": "Test a route", "form": form, "answer": answer}
    return render(request, "mailkeep/route_test.html", context)


def ask(conn: psycopg.Connection[Any], recipient: str, sender: str = "") -> Answer:
    """The way of mail to `recipient`, as this moment's configuration has it."""
    snapshot, directory = load_snapshot(conn), RequestDirectory(conn)
    address = Address.parse(recipient)
    from_address = rewrite(Address.parse(sender), SENDER, snapshot) if sender else None
    try:
        routes = resolve(address, from_address, snapshot, directory, lists=FileLists(lists_root()))
    except DirectoryUnavailable as error:
        return Answer(recipient, recipient, domain_class(address, snapshot), directory.followed, problem=str(error))
    return _answer(recipient, routes, snapshot, directory, from_address)


def domain_class(address: Address, snapshot: Snapshot) -> str:
    """What the domain of this address is to us."""
    record = snapshot.domains.get(address.domain_key)
    if record is None:
        return f"{address.domain_key} is not a domain of this server"
    words = CLASSES[record.kind].format(alias_of=record.alias_of)
    return f"{record.name} is {words}" + ("" if record.enabled else " (disabled)")


def _answer(
    asked: str, routes: Routes, snapshot: Snapshot, directory: RequestDirectory, sender: Address | None
) -> Answer:
    return Answer(
        asked=asked,
        rewritten=str(routes.address.address),
        domain_class=domain_class(routes.address.address, snapshot),
        followed=directory.followed,
        mailboxes=[route.account.address for route in routes.local],
        remote=[_way(route.recipient, snapshot, sender) for route in routes.remote],
        refusal=_refusal(routes),
        rule=routes.refused.rule if routes.refused else "",
        sender=str(sender or ""),
    )


def _refusal(routes: Routes) -> str:
    if routes.refused is None:
        return ""
    reply = routes.refused.reply
    return f"{reply.code} {reply.enhanced} {reply.text}"


def _way(recipient: Recipient, snapshot: Snapshot, sender: Address | None) -> RemoteWay:
    hop = snapshot.next_hop(recipient.address, sender)
    return RemoteWay(
        recipient=str(recipient.address),
        next_hop=f"MX of {hop.host}, port {hop.port}" if hop.lookup_mx else hop.notation,
        how=_why(recipient.address, snapshot, sender),
        tls=hop.tls,
        login=hop.username,
    )


def _why(recipient: Address, snapshot: Snapshot, sender: Address | None) -> str:
    """The rule that chose the next hop, in the order of Snapshot.next_hop."""
    for what, rules, address in (
        ("recipient", snapshot.recipient_rules, recipient),
        ("sender", snapshot.sender_rules, sender),
    ):
        for key in match_keys(address) if address is not None else ():
            if key in rules:
                return f"transport rule “{key}” ({what})"
    return "relayhost of the server settings" if snapshot.relayhost is not None else "no rule and no relayhost: by MX"
