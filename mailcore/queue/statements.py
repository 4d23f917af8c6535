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

# Rows somebody else is just claiming or changing are passed over, not waited for.
SELECT_DUE = """
SELECT r.id, r.address, r.destination, m.sender, CASE WHEN r.unfinished_attempts > 0 THEN r.message_id ELSE 0 END
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
WHERE r.state = 'waiting' AND r.next_attempt_at <= %(now)s AND r.destination <> ALL(%(full)s::text[])
ORDER BY r.next_attempt_at, r.id
LIMIT %(row_limit)s
FOR UPDATE OF r SKIP LOCKED
"""

TAKE_LEASE = """
UPDATE queue_recipient r
SET state = 'leased', lease = c.lease, lease_until = %(until)s
FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[]) AS c(id, lease)
WHERE r.id = c.id
"""

# One line per lease, with one of its recipients: enough to know its next hop.
SELECT_LEASES = """
SELECT DISTINCT ON (r.lease) r.lease, r.address, m.sender, r.lease_until
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
WHERE r.state = 'leased'
ORDER BY r.lease, r.id
"""

SELECT_LEASED = """
SELECT r.id, r.message_id, r.address, r.original, r.notify, r.orcpt, r.attempts,
       m.queue_id, m.sender, m.size, m.content_offset, m.received_at, m.expires_at, m.ret, m.envid, m.smtputf8,
       m.body_8bit, m.message_id AS message_id_header, m.client, m.account, m.delay_warned,
       (SELECT count(*) FROM queue_recipient o WHERE o.message_id = m.id) AS recipients_in_queue
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
WHERE r.lease = %(lease)s AND r.lease_until > %(now)s
ORDER BY r.message_id, r.id
"""

# The first thing a worker does with a lease, before it looks at any message: if it dies, this is what is known of it.
BEGIN_LEASE = """
UPDATE queue_recipient SET lease_until = %(until)s, unfinished_attempts = unfinished_attempts + 1
WHERE lease = %(lease)s AND lease_until > %(now)s
RETURNING message_id, unfinished_attempts
"""

PARK = """
UPDATE queue_recipient r
SET state = 'held', lease = NULL, lease_until = NULL, last_relay = 'none', last_reply = %(reply)s
FROM queue_message m
WHERE m.id = r.message_id AND r.lease = %(lease)s AND r.unfinished_attempts > %(most)s
RETURNING m.queue_id
"""

RENEW_LEASE = """
UPDATE queue_recipient SET lease_until = %(until)s WHERE lease = %(lease)s AND lease_until > %(now)s
"""

RETURN_LEASE = """
UPDATE queue_recipient
SET state = 'waiting', lease = NULL, lease_until = NULL,
    unfinished_attempts = greatest(unfinished_attempts - %(begun)s::int, 0)
WHERE lease = %(lease)s
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

SUMMARY_BY_STATE = """
SELECT r.state, count(*) AS recipients, min(m.received_at) AS oldest
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
GROUP BY r.state
"""

SUMMARY_MESSAGES = """
SELECT count(*) AS messages, coalesce(sum(size), 0)::bigint AS bytes FROM queue_message
"""

SUMMARY_BY_DESTINATION = """
SELECT r.destination, count(*) AS recipients, count(*) FILTER (WHERE r.state = 'held') AS held,
       count(*) FILTER (WHERE r.attempts > 0) AS deferred, min(m.received_at) AS oldest,
       min(r.next_attempt_at) FILTER (WHERE r.state = 'waiting') AS next_attempt_at
FROM queue_recipient r
JOIN queue_message m ON m.id = r.message_id
GROUP BY r.destination
ORDER BY count(*) DESC, r.destination
LIMIT %(row_limit)s
"""
