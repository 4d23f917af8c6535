"""The SQL on the queue tables, one named constant per statement."""

from __future__ import annotations

# Messages and their recipients, whole arrays at a time, in one statement.
INSERT_BATCH = """
WITH new_message AS (
    INSERT INTO queue_message (queue_id, sender, size, content_offset, received_at, expires_at, ret, envid,
                               smtputf8, body_8bit, message_id, client, account, delay_warned)
    SELECT m.*, false
    FROM unnest(%(queue_id)s::text[], %(sender)s::text[], %(size)s::bigint[], %(content_offset)s::int[],
                %(received_at)s::timestamptz[], %(expires_at)s::timestamptz[], %(ret)s::text[], %(envid)s::text[],
                %(smtputf8)s::bool[], %(body_8bit)s::bool[], %(message_id)s::text[], %(client)s::text[],
                %(account)s::text[]) AS m
    RETURNING id, queue_id
)
INSERT INTO queue_recipient (message_id, address, original, notify, orcpt, destination, state, next_attempt_at,
                             attempts, last_relay, last_reply)
SELECT new_message.id, r.address, r.original, r.notify, r.orcpt, r.destination, 'waiting', r.due_at, 0, '', ''
FROM unnest(%(recipient_of)s::text[], %(address)s::text[], %(original)s::text[], %(notify)s::text[],
            %(orcpt)s::text[], %(destination)s::text[], %(due_at)s::timestamptz[])
     AS r(queue_id, address, original, notify, orcpt, destination, due_at)
JOIN new_message USING (queue_id)
"""

# Further recipients of a message that is queued already (a local address that now leads elsewhere).
ADD_RECIPIENTS = """
INSERT INTO queue_recipient (message_id, address, original, notify, orcpt, destination, state, next_attempt_at,
                             attempts, last_relay, last_reply)
SELECT %(message_id)s::bigint, r.address, r.original, r.notify, r.orcpt, r.destination, 'waiting', %(due_at)s, 0, '', ''
FROM unnest(%(address)s::text[], %(original)s::text[], %(notify)s::text[], %(orcpt)s::text[],
            %(destination)s::text[]) AS r(address, original, notify, orcpt, destination)
"""

# Only a look, without locks: TAKE_LEASE takes what is still due then. The sender is read where rules ask for it.
SELECT_DUE = """
SELECT r.id, r.address, r.destination,
       CASE WHEN %(with_sender)s::bool THEN (SELECT m.sender FROM queue_message m WHERE m.id = r.message_id)
            ELSE '' END,
       CASE WHEN r.unfinished_attempts > 0 THEN r.message_id ELSE 0 END,
       r.next_attempt_at
FROM queue_recipient r
WHERE r.state = 'waiting' AND r.next_attempt_at <= %(now)s AND r.destination <> ALL(%(full)s::text[])
ORDER BY r.next_attempt_at, r.id
LIMIT %(row_limit)s
"""

# Rows somebody else is just claiming or changing are passed over, not waited for.
TAKE_LEASE = """
WITH c AS (
    SELECT r.id, c.lease
    FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[]) AS c(id, lease)
    JOIN queue_recipient r ON r.id = c.id
    WHERE r.state = 'waiting' AND r.next_attempt_at <= %(now)s
    FOR UPDATE OF r SKIP LOCKED
)
UPDATE queue_recipient r
SET state = 'leased', lease = c.lease, lease_until = %(until)s
FROM c
WHERE r.id = c.id
RETURNING r.lease
"""

# One line per lease, with one of its recipients: enough to know its next hop. From lease to lease by index, so that it
# does not matter how many recipients each of them has.
SELECT_LEASES = """
WITH RECURSIVE one AS (
    (SELECT r.lease, r.address, r.message_id, r.lease_until
     FROM queue_recipient r
     WHERE r.state = 'leased'
     ORDER BY r.lease
     LIMIT 1)
    UNION ALL
    SELECT following.*
    FROM one
    CROSS JOIN LATERAL (
        SELECT r.lease, r.address, r.message_id, r.lease_until
        FROM queue_recipient r
        WHERE r.state = 'leased' AND r.lease > one.lease
        ORDER BY r.lease
        LIMIT 1
    ) following
)
SELECT one.lease, one.address, m.sender, one.lease_until
FROM one
JOIN queue_message m ON m.id = one.message_id
"""


def _leased(source: str) -> str:
    """All that a worker needs of the recipients in `source`, which is called r there."""
    return f"""
SELECT r.id, r.message_id, r.address, r.original, r.notify, r.orcpt, r.attempts, r.unfinished_attempts,
       m.queue_id, m.sender, m.size, m.content_offset, m.received_at, m.expires_at, m.ret, m.envid, m.smtputf8,
       m.body_8bit, m.message_id AS message_id_header, m.client, m.account, m.delay_warned,
       (SELECT count(*) FROM queue_recipient o WHERE o.message_id = m.id) AS recipients_in_queue
FROM {source}
JOIN queue_message m ON m.id = r.message_id
"""


SELECT_LEASED = f"""
{_leased("queue_recipient r")}
WHERE r.lease = %(lease)s AND r.state = 'leased' AND r.lease_until > %(now)s
ORDER BY r.message_id, r.id
"""

# More for the destinations of a lease that is being worked off. Each has an index scan of its own, which ends at the
# limit: it costs the same whatever waits in the queue. What was begun before is left to the scheduler, which leases it
# alone.
TOP_UP = f"""
WITH due AS (
    SELECT due.id
    FROM unnest(%(destinations)s::text[]) AS d(destination)
    CROSS JOIN LATERAL (
        SELECT r.id
        FROM queue_recipient r
        WHERE r.destination = d.destination AND r.state = 'waiting' AND r.next_attempt_at <= %(now)s
          AND r.unfinished_attempts = 0
        ORDER BY r.next_attempt_at, r.id
        LIMIT %(row_limit)s
        FOR UPDATE SKIP LOCKED
    ) due
    LIMIT %(row_limit)s
), r AS (
    UPDATE queue_recipient r
    SET state = 'leased', lease = %(lease)s, lease_until = %(until)s, unfinished_attempts = 1
    FROM due
    WHERE r.id = due.id
    RETURNING r.*
)
{_leased("r")}
ORDER BY r.message_id, r.id
"""

# The first thing a worker does with a lease, before it looks at any message: if it dies, this is what is known of it.
BEGIN_LEASE = """
UPDATE queue_recipient SET lease_until = %(until)s, unfinished_attempts = unfinished_attempts + 1
WHERE lease = %(lease)s AND state = 'leased' AND lease_until > %(now)s
RETURNING message_id, unfinished_attempts
"""

PARK = """
UPDATE queue_recipient r
SET state = 'held', lease = NULL, lease_until = NULL, last_relay = 'none', last_reply = %(reply)s
FROM queue_message m
WHERE m.id = r.message_id AND r.lease = %(lease)s AND r.state = 'leased' AND r.unfinished_attempts > %(most)s
RETURNING m.queue_id
"""

RENEW_LEASE = """
UPDATE queue_recipient SET lease_until = %(until)s
WHERE lease = %(lease)s AND state = 'leased' AND lease_until > %(now)s
"""

RETURN_LEASE = """
UPDATE queue_recipient
SET state = 'waiting', lease = NULL, lease_until = NULL,
    unfinished_attempts = greatest(unfinished_attempts - %(begun)s::int, 0)
WHERE lease = %(lease)s AND state = 'leased'
"""

RETURN_SOME = """
UPDATE queue_recipient SET state = 'waiting', lease = NULL, lease_until = NULL, unfinished_attempts = 0
WHERE lease = %(lease)s AND id = ANY(%(ids)s::bigint[])
"""

RECLAIM_ENDED = """
UPDATE queue_recipient SET state = 'waiting', lease = NULL, lease_until = NULL
WHERE state = 'leased' AND lease_until <= %(now)s
"""

# Taken before recipients are deleted, in one order: of two workers that finish the last two recipients of a message
# at the same time, the second then sees that it is the last.
LOCK_MESSAGES = """
SELECT id FROM queue_message WHERE id = ANY(%(message_ids)s::bigint[]) ORDER BY id FOR UPDATE
"""

# Delivered is a fact, whoever holds the lease now.
DELETE_DELIVERED = """
DELETE FROM queue_recipient WHERE id = ANY(%(ids)s::bigint[]) RETURNING id
"""

# The same for messages all of whose recipients were delivered at once, in one round trip. Nobody else can be finishing
# a recipient of theirs at this moment, so the locks of the long way are not needed.
FINISH_DELIVERED = """
WITH gone AS (DELETE FROM queue_recipient WHERE id = ANY(%(ids)s::bigint[]))
DELETE FROM queue_message m
WHERE m.id = ANY(%(message_ids)s::bigint[])
  AND NOT EXISTS (SELECT FROM queue_recipient r WHERE r.message_id = m.id AND r.id <> ALL(%(ids)s::bigint[]))
RETURNING m.queue_id
"""

DELETE_FAILED = """
DELETE FROM queue_recipient WHERE id = ANY(%(ids)s::bigint[]) AND lease = %(lease)s RETURNING id
"""

DEFER = """
UPDATE queue_recipient r
SET state = 'waiting', lease = NULL, lease_until = NULL, attempts = r.attempts + 1, last_attempt_at = %(now)s,
    next_attempt_at = d.next_attempt_at, last_relay = d.relay, last_reply = d.reply,
    unfinished_attempts = CASE WHEN d.is_our_mistake THEN r.unfinished_attempts ELSE 0 END
FROM unnest(%(ids)s::bigint[], %(next_attempt_at)s::timestamptz[], %(relay)s::text[], %(reply)s::text[],
            %(is_our_mistake)s::bool[]) AS d(id, next_attempt_at, relay, reply, is_our_mistake)
WHERE r.id = d.id AND r.lease = %(lease)s
RETURNING r.id
"""

MARK_WARNED = """
UPDATE queue_message SET delay_warned = true WHERE id = ANY(%(message_ids)s::bigint[])
"""

DELETE_FINISHED = """
DELETE FROM queue_message m
WHERE m.id = ANY(%(message_ids)s::bigint[])
  AND NOT EXISTS (SELECT FROM queue_recipient r WHERE r.message_id = m.id)
RETURNING m.queue_id
"""

# What the panel and the API do. A recipient is meant by its own id or by that of its message.
QUEUE_IDS = """
SELECT DISTINCT m.id, m.queue_id
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
WHERE r.id = ANY(%(recipient_ids)s::bigint[]) OR r.message_id = ANY(%(message_ids)s::bigint[])
ORDER BY m.id
"""

HOLD = """
UPDATE queue_recipient SET state = 'held', lease = NULL, lease_until = NULL
WHERE (id = ANY(%(recipient_ids)s::bigint[]) OR message_id = ANY(%(message_ids)s::bigint[])) AND state <> 'held'
"""

RELEASE = """
UPDATE queue_recipient SET state = 'waiting', next_attempt_at = %(now)s, unfinished_attempts = 0
WHERE (id = ANY(%(recipient_ids)s::bigint[]) OR message_id = ANY(%(message_ids)s::bigint[])) AND state = 'held'
"""

RETRY_NOW = """
UPDATE queue_recipient SET next_attempt_at = %(now)s
WHERE (id = ANY(%(recipient_ids)s::bigint[]) OR message_id = ANY(%(message_ids)s::bigint[])) AND state = 'waiting'
"""

DELETE = """
DELETE FROM queue_recipient
WHERE id = ANY(%(recipient_ids)s::bigint[]) OR message_id = ANY(%(message_ids)s::bigint[])
"""

DELETE_EMPTY = """
DELETE FROM queue_message m
WHERE m.received_at < %(before)s AND NOT EXISTS (SELECT FROM queue_recipient r WHERE r.message_id = m.id)
"""

KNOWN_QUEUE_IDS = """
SELECT queue_id FROM queue_message WHERE queue_id = ANY(%(queue_ids)s::text[])
"""

# One pass over the recipients, without their messages: the oldest message is the one with the smallest id.
SUMMARY_BY_STATE = """
SELECT s.state, s.recipients, m.received_at
FROM (SELECT r.state, count(*) AS recipients, min(r.message_id) AS oldest FROM queue_recipient r GROUP BY r.state) s
JOIN queue_message m ON m.id = s.oldest
"""

SUMMARY_MESSAGES = """
SELECT count(*) AS messages, coalesce(sum(size), 0)::bigint AS bytes FROM queue_message
"""

SUMMARY_BY_DESTINATION = """
SELECT d.destination, d.recipients, d.held, d.deferred, m.received_at, d.next_attempt_at
FROM (
    SELECT r.destination, count(*) AS recipients, count(*) FILTER (WHERE r.state = 'held') AS held,
           count(*) FILTER (WHERE r.attempts > 0) AS deferred, min(r.message_id) AS oldest,
           min(r.next_attempt_at) FILTER (WHERE r.state = 'waiting') AS next_attempt_at
    FROM queue_recipient r
    GROUP BY r.destination
    ORDER BY count(*) DESC, r.destination
    LIMIT %(row_limit)s
) d
JOIN queue_message m ON m.id = d.oldest
ORDER BY d.recipients DESC, d.destination
"""
