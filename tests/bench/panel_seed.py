"""A large appliance's tables, written straight into a migrated database: what the panel and the API are measured on.

Rows are made by PostgreSQL itself (generate_series), with triggers off, so that a million takes seconds. The shape is
that of a provider: one domain with half of the accounts, the rest in small ones; ten aliases to an account; most mail
delivered at once, some of it relayed, refused, deferred, bounced. Shared by panel_scale.py and tests/admin/test_scale*.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.panel_words import index_folder

BIG_DOMAIN = "big.example"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows there are of what."""

    domains: int = 2_000
    accounts: int = 100_000
    aliases_each: int = 10
    traced: int = 1_000_000
    queued: int = 100_000
    audited: int = 1_000_000
    folder: int = 200_000
    rules: int = 200
    aliased: int = 20
    sessions: int = 10_000


# The extension's GIN indexes are quicker built than filled.
DEFERRED = """
SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%% USING gin %%' AND tablename = ANY(%(tables)s)
"""
SMALL = Sizes(
    domains=40, accounts=5_000, aliases_each=2, traced=20_000, queued=5_000, audited=5_000, folder=5_000, sessions=500
)

DOMAINS = """
INSERT INTO domain (name, kind, alias_of_id, enabled, description, created_at)
SELECT CASE n WHEN 1 THEN 'big.example' ELSE 'd' || n || '.example' END, 'local', NULL, n %% 50 <> 7,
       'Customer ' || n, now() - n * interval '1 hour'
FROM generate_series(1, %(domains)s) n
"""
ALIAS_DOMAINS = """
INSERT INTO domain (name, kind, alias_of_id, enabled, description, created_at)
SELECT 'other' || n || '.example', 'alias', 'big.example', true, '', now() FROM generate_series(1, %(aliased)s) n
"""
# Odd numbers live in the big domain.
ACCOUNTS = """
INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap, allow_pop3,
                     allow_smtp, is_staff, is_superuser, created_at)
SELECT local || '@' || domain, domain, '!', first || ' ' || last || ' ' || n, (n %% 4) * 1073741824::bigint,
       n %% 97 <> 0, CASE WHEN n %% 10 = 0 THEN 'mbox' ELSE 'maildir' END, true, n %% 3 <> 0, true, n = 1, n = 1,
       now() - n * interval '1 minute'
FROM (SELECT n, 'user' || lpad(n::text, 6, '0') AS local,
             CASE WHEN n %% 2 = 1 OR %(domains)s = 1 THEN 'big.example'
                  ELSE 'd' || 2 + (n / 2) %% (%(domains)s - 1) || '.example' END AS domain,
             (ARRAY['Ann', 'Bob', 'Carla', 'Dilip', 'Émile', 'Fatima', 'Götz'])[1 + n %% 7] AS first,
             (ARRAY['Archer', 'Brewer', 'Cooper', 'Dyer', 'Farmer', 'Glover', 'Hunter', 'Mason'])[1 + n %% 8] AS last
      FROM generate_series(1, %(accounts)s) n) AS made
"""
USAGE = """
INSERT INTO account_usage (account_id, bytes, messages)
SELECT id, (id * 7919) %% 2000000000, (id * 31) %% 5000 FROM account
"""
LOGINS = """
INSERT INTO account_login (account_id, protocol, at, client_address)
SELECT id, protocol, now() - (id %% 1000 + n) * interval '1 hour', ('10.' || id %% 250 || '.' || n || '.7')::inet
FROM account CROSS JOIN unnest(ARRAY['imap', 'smtp', 'web']) WITH ORDINALITY AS used (protocol, n) WHERE id %% 5 <> 0
"""
ALIASES = """
INSERT INTO alias (address, domain_id, targets, enabled, is_system, note)
SELECT 'alias' || k || '.' || address, domain_id,
       CASE WHEN (id + k) %% 100 = 0 THEN ARRAY[address, 'team' || id || '@elsewhere.example', 'copy@d2.example']
            ELSE ARRAY[address::text] END, (id + k) %% 50 <> 0, false, CASE WHEN k = 1 THEN 'Ticket ' || id ELSE '' END
FROM account CROSS JOIN generate_series(1, %(aliases_each)s) k
"""
MAILBOXES = """
INSERT INTO mailbox (account_id, name, uidvalidity, uidnext, highestmodseq, first_recent_uid, special_use, messages,
                     unseen, size)
SELECT account.id, new.name, 1700000000, 1 + (account.id * 13) %% 900, 1, 1, new.use, (account.id * 13) %% 900,
       (account.id * 13) %% 90, (account.id * 7919) %% 20000000
FROM account CROSS JOIN (VALUES ('INBOX', ''), ('Drafts', '\\Drafts'), ('Sent', '\\Sent'), ('Junk', '\\Junk'),
                                ('Trash', '\\Trash')) AS new (name, use)
"""
RULES = """
WITH hosts AS (
    INSERT INTO relay_host (host, port, lookup_mx, tls, username, sealed_password, note)
    SELECT 'relay' || n || '.example', 25, false, 'may', '', '', '' FROM generate_series(1, %(rules)s) n RETURNING id
)
INSERT INTO transport_rule (match, direction, relayhost_id, enabled, note)
SELECT 'to' || row_number() OVER () || '.example', 'recipient', id, true, '' FROM hosts
"""
REWRITES = """
INSERT INTO sender_rewrite (pattern, replacement, applies_to, enabled)
SELECT '@old' || n || '.example', '@new' || n || '.example', 'both', true FROM generate_series(1, %(rules)s) n
"""
NETWORKS = """
INSERT INTO my_network (cidr, note, enabled, open_relay_confirmation)
SELECT ('10.' || n / 256 || '.' || n %% 256 || '.0/24')::cidr, '', true, '' FROM generate_series(1, %(rules)s) n
"""
TOKENS = """
INSERT INTO api_token (name, token_hash, scopes, enabled, created_at)
SELECT 'program ' || n, md5(n::text) || md5('x' || n), ARRAY['accounts:read'], true, now()
FROM generate_series(1, %(rules)s) n
"""
QUEUE_MESSAGES = """
INSERT INTO queue_message (queue_id, sender, size, content_offset, received_at, expires_at, ret, envid, smtputf8,
                           body_8bit, message_id, client, account, delay_warned)
SELECT 'Q' || lpad(n::text, 14, '0'), 'user' || lpad((1 + n %% %(accounts)s)::text, 6, '0') || '@big.example',
       2000 + n %% 90000, 0, now() - n * interval '2 seconds', now() + interval '5 days' - n * interval '2 seconds',
       '', '', false, false, '<queued.' || n || '@big.example>', '', '', false
FROM generate_series(1, %(queued)s) n
"""
QUEUE_RECIPIENTS = """
INSERT INTO queue_recipient (message_id, address, original, notify, orcpt, destination, state, next_attempt_at,
                             attempts, last_relay, last_reply)
SELECT m.id, made.address, made.address, '', '', made.destination,
       CASE WHEN m.id %% 20 = 0 THEN 'held' ELSE 'waiting' END,
       now() + (m.id %% 4000) * interval '1 second', m.id %% 9, 'mx' || m.id %% 3000 || '.example[192.0.2.1]:25',
       CASE WHEN m.id %% 9 = 0 THEN '' ELSE '451 4.7.1 Greylisted, come back in ' || m.id %% 600 || ' seconds' END
FROM queue_message m CROSS JOIN generate_series(1, CASE WHEN m.id %% 10 = 0 THEN 3 ELSE 1 END) k
CROSS JOIN LATERAL (SELECT 'out' || (m.id %% 3000) || '.example' AS destination,
                           'guest' || m.id || '.' || k || '@out' || (m.id %% 3000) || '.example' AS address) made
"""
WEEKS = "SELECT trace_make_partitions((now() - interval '60 days')::date, (now() + interval '14 days')::date)"
# Two events a message (accepted; delivered, relayed, bounced), a third for one in twenty, and the refusals.
TRACE = """
INSERT INTO trace_event (at, kind, queue_id, session_id, client_address, client_name, sender, recipient, message_id,
                         size, rule, reply, relay, tls, delay_s, detail)
SELECT at + event.late * interval '1 second', event.kind,
       CASE WHEN event.kind IN ('refused', 'auth_failed') THEN '' ELSE 'T' || lpad(n::text, 14, '0') END,
       CASE WHEN event.kind IN ('accepted', 'refused', 'auth_failed')
            THEN 's' || lpad((n / 5)::text, 14, '0') ELSE '' END,
       CASE WHEN event.kind IN ('accepted', 'refused', 'auth_failed')
            THEN ('192.' || n / 65536 %% 4 || '.' || n / 256 %% 256 || '.' || n %% 256)::inet END,
       CASE WHEN event.kind = 'accepted' THEN 'mail' || n %% 5000 || '.example' ELSE '' END,
       CASE WHEN event.kind IN ('accepted', 'relayed', 'deferred', 'bounced', 'refused')
            THEN 'writer' || n %% 20000 || '@out' || n %% 3000 || '.example' ELSE '' END,
       CASE WHEN event.kind = 'auth_failed' THEN ''
            WHEN event.outside THEN 'guest' || n || '@out' || n %% 3000 || '.example'
            ELSE 'user' || lpad((1 + n %% %(accounts)s)::text, 6, '0') || '@big.example' END,
       CASE WHEN event.kind = 'accepted' THEN '<' || md5(n::text) || '@out' || n %% 3000 || '.example>' ELSE '' END,
       CASE WHEN event.kind = 'accepted' THEN 1000 + n %% 100000 END,
       CASE WHEN event.kind = 'refused' THEN 'unknown_user' ELSE '' END,
       CASE event.kind WHEN 'refused' THEN '550 5.1.1 There is nobody of this name here'
            WHEN 'deferred' THEN '451 4.7.1 Greylisted' WHEN 'relayed' THEN '250 2.0.0 Ok' ELSE '' END,
       CASE WHEN event.outside THEN 'mx.example[192.0.2.1]:25' ELSE '' END, '', event.late,
       CASE WHEN event.kind = 'auth_failed' THEN '{"login": "root", "protocol": "smtp"}' ELSE '{}' END::jsonb
FROM (SELECT n, date_trunc('hour', now()) - interval '59 days' + n * (interval '59 days' / %(traced)s) AS at
      FROM generate_series(1, %(traced)s) n) AS message
CROSS JOIN LATERAL (
    SELECT 'accepted' AS kind, n %% 10 = 3 AS outside, 0.0 AS late
    UNION ALL SELECT CASE WHEN n %% 10 <> 3 THEN 'delivered' WHEN n %% 100 = 13 THEN 'bounced' ELSE 'relayed' END,
           n %% 10 = 3, 0.2
    UNION ALL SELECT 'deferred', true, 0.1 WHERE n %% 40 = 13
    UNION ALL SELECT 'refused', false, 0.4 WHERE n %% 10 = 0
    UNION ALL SELECT 'auth_failed', false, 0.5 WHERE n %% 50 = 0
) AS event
ORDER BY n, event.late
"""
TRAFFIC = """
INSERT INTO traffic_hour (hour, kind, count)
SELECT date_trunc('hour', at), kind, count(*) FROM trace_event GROUP BY 1, 2
"""
AUDIT = """
INSERT INTO audit_entry (at, actor, client_address, action, object_type, object_key, changes)
SELECT now() - (%(audited)s - n) * interval '5 seconds', 'token program ' || n %% 20, '192.0.2.7',
       (ARRAY['created', 'changed', 'changed', 'deleted', 'did'])[1 + n %% 5],
       (ARRAY['account', 'account', 'alias', 'domain', 'queue message'])[1 + n %% 5],
       'user' || lpad((1 + n %% %(accounts)s)::text, 6, '0') || '@big.example', '{"enabled": [true, false]}'
FROM generate_series(1, %(audited)s) n
"""
WRITER = '(("Writer %2$s" NIL "writer%2$s" "out.example"))'
ENVELOPE = (
    f'("%3$s" "Subject %1$s" {WRITER} {WRITER} {WRITER} ((NIL NIL "user000001" "big.example")) NIL NIL NIL '
    '"<%1$s@out.example>")'
)
# The folder of somebody who never deletes anything: the first account's INBOX.
FOLDER = """
WITH inbox AS (
    UPDATE mailbox SET messages = %(folder)s, unseen = %(folder)s / 10, uidnext = %(folder)s + 1
    WHERE account_id = (SELECT id FROM account WHERE is_superuser) AND name = 'INBOX' RETURNING id
)
INSERT INTO message (mailbox_id, uid, modseq, store_key, size, internal_date, flags, keywords, envelope, body_structure,
                     subject, sender, recipients, sent_at, message_id, has_attachments)
SELECT inbox.id, n, 1, 'key.' || n || %(sizes)s, 2000 + n %% 50000, now() - (%(folder)s - n) * interval '1 minute',
       CASE WHEN n %% 10 = 0 THEN 0 ELSE 1 END + CASE WHEN n %% 1000 = 0 THEN 4 ELSE 0 END, '{}',
       convert_to(format(%(envelope)s::text, n, n %% 2000,
                         to_char(now() - (%(folder)s - n) * interval '1 minute', 'Dy, DD Mon YYYY HH24:MI:SS +0000')),
                  'UTF8'),
       'x', 'Subject ' || n,
       'Writer ' || n %% 2000 || ' <writer' || n %% 2000 || '@out.example>', 'user000001@big.example',
       now() - (%(folder)s - n) * interval '1 minute', '<' || n || '@out.example>', n %% 20 = 0
FROM inbox CROSS JOIN generate_series(1, %(folder)s) n
"""

# Every account shares a mailbox with the next one.
SHARES = """
INSERT INTO mailbox_acl (mailbox_id, identifier, negative, rights)
SELECT mailbox.id, reader.address, false, 'lrs'
FROM (SELECT min(id) AS id, account_id FROM mailbox GROUP BY account_id) AS mailbox
JOIN account AS reader ON reader.id = mailbox.account_id + 1
"""
# The process lives until tomorrow: what is measured takes longer than a process may be silent.
SESSIONS = """
WITH process AS (
    INSERT INTO process_status (role, number, host, pid, started_at, generation, listening, seen_at)
    VALUES ('accessd', 0, 'bench', 1, now(), 1, '{}', now() + interval '1 day') RETURNING host, pid
)
INSERT INTO client_session (host, pid, number, protocol, account_id, client_address, client_id, tls, since, mailbox,
                            idle_since, end_wanted)
SELECT host, pid, n, CASE WHEN n %% 9 = 0 THEN 'pop3' ELSE 'imap' END,
       (SELECT min(id) FROM account) + n %% %(accounts)s,
       ('10.' || n %% 250 || '.' || n %% 199 || '.' || n %% 97)::inet,
       (ARRAY['Thunderbird 115.3', 'iPhone Mail 21A329, iOS 17.0', 'Mutt 2.2', ''])[1 + n %% 4], n %% 20 <> 0,
       now() - n * interval '1 minute', CASE WHEN n %% 3 = 0 THEN 'Archive/2026' ELSE 'INBOX' END,
       CASE WHEN n %% 4 <> 0 THEN now() - n * interval '1 second' END, ''
FROM process CROSS JOIN generate_series(1, %(sessions)s) n
"""

STEPS = (
    ("domains", DOMAINS), ("alias domains", ALIAS_DOMAINS), ("accounts", ACCOUNTS), ("usage", USAGE),
    ("logins", LOGINS), ("aliases", ALIASES), ("mailboxes", MAILBOXES), ("rules", RULES), ("rewrites", REWRITES),
    ("networks", NETWORKS),
    ("tokens", TOKENS), ("queue", QUEUE_MESSAGES), ("recipients", QUEUE_RECIPIENTS), ("weeks", WEEKS), ("trace", TRACE),
    ("traffic", TRAFFIC), ("audit log", AUDIT), ("folder", FOLDER),
    ("sessions", SESSIONS), ("shares", SHARES),
)  # fmt: skip
SEEDED = (
    "domain", "account", "account_usage", "account_login", "alias", "mailbox", "relay_host", "transport_rule",
    "sender_rewrite", "my_network", "api_token", "queue_message", "queue_recipient", "trace_event", "traffic_hour",
    "audit_entry", "message", "client_session", "mailbox_acl", "search_segment",
)  # fmt: skip


CONTENT = b"From: Writer <writer@out.example>\nTo: user000001@big.example\nSubject: One of many\n\nHello.\n"
IN_NAMES = f",S={len(CONTENT)},W={len(CONTENT) + CONTENT.count(10)}"


def make_files(cur: Path, count: int) -> None:
    """The files of FOLDER: links to a few, since a file system wants to be asked 200,000 times anyway."""
    for folder in (cur, cur.with_name("new"), cur.with_name("tmp")):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        letters = ("F" if number % 1000 == 0 else "") + ("S" if number % 10 else "")
        name = cur / f"key.{number}{IN_NAMES}:2,{letters}"
        if number % 10_000 == 1:
            first = name
            first.write_bytes(CONTENT)
        else:
            os.link(first, name)


def seed(conn: psycopg.Connection[Any], sizes: Sizes) -> Iterator[str]:
    """Fill an empty, migrated database; yields the name of each step before it is taken. Needs a superuser's role."""
    numbers = {**asdict(sizes), "sizes": IN_NAMES, "envelope": ENVELOPE}
    conn.execute("SET session_replication_role = replica")
    deferred = conn.execute(DEFERRED, {"tables": list(SEEDED)}).fetchall()
    for name, _ in deferred:
        conn.execute(f"DROP INDEX {name}")
    for name, statement in STEPS:
        yield name
        conn.execute(statement, numbers)
    yield "search index"
    index_folder(conn)
    conn.execute("SET session_replication_role = origin")
    yield "indexes"
    for _, definition in deferred:
        conn.execute(definition)
    yield "statistics"
    for table in SEEDED:
        conn.execute(f"VACUUM (ANALYZE) {table}")  # a constant of ours
