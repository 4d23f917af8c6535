"""Rows -> Snapshot, in one transaction, so that all tables are seen at one moment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.rows import dict_row

from mailcore.config import statements
from mailcore.config.snapshot import DomainRecord, NetworkSet, NextHop, OauthIssuer, RewriteRule, Snapshot

Row = dict[str, Any]


def load_snapshot(conn: psycopg.Connection[Any]) -> Snapshot:
    """The configuration as it is committed now. Raises psycopg.Error."""
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:

        def rows(statement: str) -> list[Row]:
            return cursor.execute(statement).fetchall()

        generation = rows(statements.GENERATION)
        settings = rows(statements.SETTINGS)
        hops = {row["id"]: next_hop(row) for row in rows(statements.RELAY_HOSTS)}
        rules = rows(statements.TRANSPORT_RULES)
        return Snapshot(
            generation=generation[0]["generation"] if generation else 0,
            domains={row["name"]: DomainRecord(**row) for row in rows(statements.DOMAINS)},
            mynetworks=networks(row["cidr"] for row in rows(statements.NETWORKS)),
            recipient_rules=rules_of("recipient", rules, hops),
            sender_rules=rules_of("sender", rules, hops),
            oauth_issuers=tuple(OauthIssuer(**row) for row in rows(statements.OAUTH_ISSUERS)),
            rewrites={row["pattern"]: RewriteRule(**row) for row in rows(statements.REWRITES)},
            **(server_settings(settings[0], hops) if settings else {}),
        )


def next_hop(row: Row) -> NextHop:
    """A relay host as a next hop."""
    return NextHop(**{name: value for name, value in row.items() if name != "id"}, rule="relayhost")


def rules_of(direction: str, rows: list[Row], hops: dict[int, NextHop]) -> dict[str, NextHop | None]:
    """Match -> relay host under the name of the rule, which the trace shows, or None for "directly by MX"."""
    found = {row["match"]: hops.get(row["relayhost_id"]) for row in rows if row["direction"] == direction}
    return {match: hop and replace(hop, rule=match) for match, hop in found.items()}


def server_settings(row: Row, hops: dict[int, NextHop]) -> Row:
    """The columns as Snapshot fields."""
    fields = {name: value for name, value in row.items() if name != "relayhost_id"}
    balancers = networks(row["haproxy_trusted_networks"])
    return {**fields, "relayhost": hops.get(row["relayhost_id"]), "haproxy_trusted_networks": balancers}


def networks(texts: Iterable[str]) -> NetworkSet:
    """Networks as PostgreSQL writes them."""
    return NetworkSet(tuple(ipaddress.ip_network(text) for text in texts))
