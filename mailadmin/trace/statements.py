"""The SQL of the trace, for the panel and the API.

A search shows each message once, at the newest of its events that match: an event is left out when a newer one of the
same message matches too. Pages go on after the last row seen (keyset), so page 1000 costs what page 1 costs.
"""

COLUMNS = (
    "id, at, kind, queue_id, session_id, host(client_address) AS client_address, client_name, sender, recipient,"
    " message_id, size, rule, reply, relay, tls, delay_s, detail"
)

# {found}, {newer}: the driving condition on e and on n; {also}: further conditions; {after}, {range}: the times, plain
# comparisons with `at`, so that weeks without such rows are not looked at.
SEARCH = """
SELECT e.id, e.at, e.kind, e.queue_id, e.session_id, host(e.client_address) AS client_address, e.client_name,
    e.sender, e.recipient, e.message_id, e.size, e.rule, e.reply, e.relay, e.tls, e.delay_s, e.detail
FROM trace_event e
WHERE {found} AND (e.queue_id <> '' OR e.kind IN ('refused', 'auth_failed'))
    {after} {range} {also}
    AND NOT EXISTS (
        SELECT 1 FROM trace_event n
        WHERE n.queue_id = e.queue_id AND n.queue_id <> '' AND n.at >= e.at AND (n.at, n.id) > (e.at, e.id)
            AND {newer} {newer_range}
    )
ORDER BY e.at DESC, e.id DESC
LIMIT %(limit)s
"""

# Where a page goes on.
AFTER = "AND e.at <= %(after_at)s AND (e.at, e.id) < (%(after_at)s, %(after_id)s)"

# One line per message: what was said of it altogether.
SUMMARIES = """
SELECT t.queue_id, min(t.at) AS first_at, max(t.at) AS last_at,
    coalesce(max(t.sender) FILTER (WHERE t.kind = 'accepted'), max(t.sender)) AS sender,
    bool_or(t.kind = 'accepted') AS accepted,
    coalesce((array_agg(DISTINCT t.recipient) FILTER (WHERE t.kind = 'accepted' AND t.recipient <> ''))[1:5],
        (array_agg(DISTINCT t.recipient) FILTER (WHERE t.recipient <> ''))[1:5]) AS recipients,
    count(DISTINCT t.recipient) FILTER (WHERE t.kind = 'accepted') AS recipient_count,
    max(t.message_id) AS message_id, max(t.size) AS size, max(host(t.client_address)) AS client_address,
    count(*) FILTER (WHERE t.kind = 'delivered') AS delivered, count(*) FILTER (WHERE t.kind = 'relayed') AS relayed,
    count(*) FILTER (WHERE t.kind = 'bounced') AS bounced, count(*) FILTER (WHERE t.kind = 'deferred') AS deferred,
    bool_or(t.kind = 'queue_action' AND t.detail ->> 'action' = 'delete') AS deleted,
    EXISTS (SELECT 1 FROM queue_message q WHERE q.queue_id = t.queue_id) AS queued
FROM trace_event t
WHERE t.queue_id = ANY(%(queue_ids)s) AND t.queue_id <> ''
GROUP BY t.queue_id
"""

OF_MESSAGE = f"""
SELECT {COLUMNS} FROM trace_event
WHERE queue_id = %(queue_id)s AND queue_id <> '' ORDER BY at, id LIMIT %(limit)s
"""

OF_SESSION = f"""
SELECT {COLUMNS} FROM trace_event
WHERE session_id = %(session_id)s AND session_id <> '' ORDER BY at, id LIMIT %(limit)s
"""

# What the client did in the same session before the message: from the message before it, and how it came in.
BEFORE_MESSAGE = f"""
SELECT {COLUMNS} FROM trace_event
WHERE session_id = %(session_id)s AND session_id <> '' AND queue_id = '' AND at <= %(accepted_at)s
    AND (kind IN ('connected', 'auth_ok') OR at > coalesce((
        SELECT max(p.at) FROM trace_event p
        WHERE p.session_id = %(session_id)s AND p.session_id <> '' AND p.kind = 'accepted' AND p.at < %(accepted_at)s
            AND p.queue_id <> %(queue_id)s), '-infinity'))
ORDER BY at, id LIMIT %(limit)s
"""

# A report is written in the same moment as the event that caused it, so a short time around it is enough to look at.
REPORT_OF = """
SELECT queue_id FROM trace_event
WHERE kind = 'report' AND detail ->> 'report_queue_id' = %(queue_id)s
    AND at BETWEEN %(first_at)s - interval '10 minutes' AND %(first_at)s + interval '10 minutes'
LIMIT 1
"""
