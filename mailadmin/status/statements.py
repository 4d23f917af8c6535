"""The SQL of the dashboard, /healthz and /metrics: a handful of small reads, none of which grows with the mail."""

# The newest process of each place: one that was replaced after a crash leaves its old row behind for an hour.
PROCESSES = """
SELECT DISTINCT ON (role, host, number) role, number, host, pid, started_at, generation, listening, seen_at,
    seen_at > now() - make_interval(secs => %(stale_after_s)s) AS alive,
    extract(epoch FROM now() - started_at)::float AS uptime_s, extract(epoch FROM now() - seen_at)::float AS unseen_s
FROM process_status ORDER BY role, host, number, seen_at DESC
"""

GENERATION = "SELECT generation FROM config_generation WHERE id = 1"

QUEUE = """
SELECT state, count(*) AS recipients, min(next_attempt_at) AS next_attempt_at FROM queue_recipient GROUP BY state
"""

QUEUE_AGE = "SELECT count(*) AS messages, min(received_at) AS oldest FROM queue_message"

TRAFFIC = """
SELECT hour, kind, count FROM traffic_hour WHERE hour >= %(since)s AND kind = ANY(%(kinds)s) ORDER BY hour
"""

TOTALS = "SELECT kind, sum(count)::bigint AS count FROM traffic_hour GROUP BY kind ORDER BY kind"

REFUSALS = """
SELECT at, session_id, host(client_address) AS client_address, client_name, sender, recipient, rule, reply
FROM trace_event WHERE kind = 'refused' AND at > now() - interval '7 days' ORDER BY at DESC, id DESC LIMIT 8
"""

SESSIONS = """
SELECT s.protocol, count(*) AS sessions FROM client_session s JOIN process_status p ON p.host = s.host AND p.pid = s.pid
WHERE p.seen_at > now() - make_interval(secs => %(stale_after_s)s) GROUP BY s.protocol
"""

MAILBOXES = """
SELECT (SELECT count(*) FROM account) AS accounts, (SELECT count(*) FROM domain) AS domains,
    coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(sum(messages), 0)::bigint AS messages FROM account_usage
"""
