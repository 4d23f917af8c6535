"""The SQL on mailbox tables, one named constant per statement.

Whoever changes messages of a mailbox holds the lock of its row (LOCK_*, in the order of ids), so message rows need no
locks of their own, UIDs and modseqs only grow, and the counters are right. Only the cache columns are written without
it. Lists of messages come as arrays; keywords as texts with spaces between them, because arrays of arrays are not
ragged.
"""

MAILBOX_COLUMNS = """
SELECT id, account_id, name, uidvalidity, uidnext, highestmodseq, first_recent_uid, special_use, messages, unseen, size
FROM mailbox
"""

LIST_MAILBOXES = f"{MAILBOX_COLUMNS} WHERE account_id = %(account_id)s ORDER BY name <> 'INBOX', name"
MAILBOX_BY_NAME = f"{MAILBOX_COLUMNS} WHERE account_id = %(account_id)s AND name = %(name)s"
MAILBOX_BY_ID = f"{MAILBOX_COLUMNS} WHERE id = %(mailbox_id)s"
MAILBOXES_BY_ID = f"{MAILBOX_COLUMNS} WHERE id = ANY(%(mailbox_ids)s::bigint[])"
MAILBOX_NAMES = "SELECT id, name FROM mailbox WHERE id = ANY(%(mailbox_ids)s::bigint[])"
LOCK_MAILBOXES = f"{MAILBOX_COLUMNS} WHERE id = ANY(%(mailbox_ids)s) ORDER BY id FOR NO KEY UPDATE"
# The same with LIMIT_WAIT and QUICK_COMMIT in the same statement, as conditions on the row: so they are in force before
# the row is waited for.
LOCK_WITH_LIMIT = f"""
{MAILBOX_COLUMNS}
WHERE id = ANY(%(mailbox_ids)s) AND set_config('lock_timeout', '5s', true) <> ''
ORDER BY id FOR NO KEY UPDATE
"""
LOCK_NAMED = f"""
{MAILBOX_COLUMNS}
WHERE account_id = %(account_id)s AND name = %(name)s AND set_config('lock_timeout', '5s', true) <> ''
FOR NO KEY UPDATE
"""
LOCK_FOR_FLAGS = f"""
{MAILBOX_COLUMNS}
WHERE id = %(mailbox_id)s AND set_config('lock_timeout', '5s', true) <> ''
  AND set_config('synchronous_commit', 'off', true) <> ''
FOR NO KEY UPDATE
"""
LOCK_MAILBOXES_BY_NAME = f"""
{MAILBOX_COLUMNS}
WHERE (account_id, name) IN (SELECT * FROM unnest(%(account_ids)s::bigint[], %(names)s::text[]))
ORDER BY id FOR NO KEY UPDATE
"""
# Only the conversion of an account holds locks for longer than a moment; nobody waits for that.
LIMIT_WAIT = "SET LOCAL lock_timeout = '5s'"
QUICK_COMMIT = "SET LOCAL synchronous_commit = off"
# One at a time changes the list of mailboxes of an account.
LOCK_ACCOUNT = "SELECT pg_advisory_xact_lock(7310000000000000 + %(account_id)s::bigint)"

INSERT_MAILBOXES = """
INSERT INTO mailbox (account_id, name, uidvalidity, uidnext, highestmodseq, first_recent_uid, special_use,
                     messages, unseen, size)
SELECT account_id, name, floor(extract(epoch FROM clock_timestamp()))::bigint, 1, 1, 1, special_use, 0, 0, 0
FROM unnest(%(account_ids)s::bigint[], %(names)s::text[], %(special_uses)s::text[])
    AS new (account_id, name, special_use)
ORDER BY account_id, name
ON CONFLICT (account_id, name) DO NOTHING
"""
SECONDS_SINCE = "SELECT extract(epoch FROM clock_timestamp())::float8 - %(uidvalidity)s::float8"
RENAME_MAILBOXES = """
UPDATE mailbox SET name = new.name
FROM unnest(%(mailbox_ids)s::bigint[], %(names)s::text[]) AS new (id, name)
WHERE mailbox.id = new.id
"""
RENEW_UIDVALIDITY = """
UPDATE mailbox SET uidvalidity = greatest(uidvalidity + 1, floor(extract(epoch FROM clock_timestamp()))::bigint)
WHERE id = %(mailbox_id)s RETURNING uidvalidity
"""
DELETE_MAILBOX = """
WITH gone_messages AS (DELETE FROM message WHERE mailbox_id = %(mailbox_id)s RETURNING size),
     gone_expunged AS (DELETE FROM expunged WHERE mailbox_id = %(mailbox_id)s),
     gone AS (DELETE FROM mailbox WHERE id = %(mailbox_id)s RETURNING account_id)
UPDATE account_usage
SET bytes = bytes - (SELECT coalesce(sum(size), 0) FROM gone_messages),
    messages = messages - (SELECT count(*) FROM gone_messages)
FROM gone WHERE account_usage.account_id = gone.account_id
"""
CLAIM_RECENT = """
WITH before AS (SELECT id, first_recent_uid FROM mailbox WHERE id = %(mailbox_id)s FOR NO KEY UPDATE)
UPDATE mailbox SET first_recent_uid = uidnext FROM before WHERE mailbox.id = before.id
RETURNING before.first_recent_uid
"""

ODD_NAMES = """
SELECT account.id, account.address, account.store, account.quota_bytes, account.quota_messages,
       mailbox.name, normalize(mailbox.name, NFC),
       EXISTS (SELECT FROM mailbox AS other
               WHERE other.account_id = mailbox.account_id AND other.id <> mailbox.id
                 AND normalize(other.name, NFC) = normalize(mailbox.name, NFC))
FROM mailbox JOIN account ON account.id = mailbox.account_id
WHERE mailbox.name IS NOT NFC NORMALIZED AND (%(address)s::text IS NULL OR account.address = %(address)s)
ORDER BY account.address, mailbox.name
"""
SUBSCRIPTIONS = "SELECT name FROM subscription WHERE account_id = %(account_id)s"
SUBSCRIBE = """
INSERT INTO subscription (account_id, name) SELECT %(account_id)s::bigint, unnest(%(names)s::text[])
ON CONFLICT (account_id, name) DO NOTHING
"""
COUNT_SUBSCRIPTIONS = "SELECT count(*) FROM subscription WHERE account_id = %(account_id)s"
UNSUBSCRIBE = "DELETE FROM subscription WHERE account_id = %(account_id)s AND name = %(name)s"

ACCOUNT_USAGE = "SELECT bytes, messages FROM account_usage WHERE account_id = %(account_id)s"

STATUS = """
SELECT messages,
       (SELECT count(*) FROM message WHERE mailbox_id = mailbox.id AND uid >= first_recent_uid),
       unseen, uidnext, uidvalidity, highestmodseq, size
FROM mailbox WHERE id = %(mailbox_id)s
"""
COUNT_RECENT_AND_DELETED = """
SELECT id,
       CASE WHEN %(recent)s THEN
            (SELECT count(*) FROM message WHERE mailbox_id = mailbox.id AND uid >= first_recent_uid) ELSE 0 END,
       CASE WHEN %(deleted)s THEN
            (SELECT count(*) FROM message WHERE mailbox_id = mailbox.id AND flags & 8 <> 0) ELSE 0 END,
       CASE WHEN %(deleted)s THEN
            (SELECT coalesce(sum(message.size), 0)::bigint FROM message
             WHERE mailbox_id = mailbox.id AND flags & 8 <> 0) ELSE 0 END
FROM mailbox WHERE id = ANY(%(mailbox_ids)s::bigint[])
"""
COUNT_DELETED = """
SELECT count(*), coalesce(sum(size), 0)::bigint FROM message WHERE mailbox_id = %(mailbox_id)s AND flags & 8 <> 0
"""

# All UIDs in one value, eight octets each: ten thousand rows would cost the reader more than the database. The order is
# that of the subquery, which the primary key answers by itself; with any other column the rows would have to be read.
UIDS_BELOW = """
SELECT coalesce(string_agg(int8send(uid), ''), '')
FROM (SELECT uid FROM message WHERE mailbox_id = %(mailbox_id)s AND uid < %(uidnext)s ORDER BY uid) AS ordered
"""
FIRST_UNSEEN = """
SELECT uid FROM message WHERE mailbox_id = %(mailbox_id)s AND flags & 1 = 0 ORDER BY uid LIMIT 1
"""
# By the index message_keyworded: few messages have any.
KEYWORDS = """
SELECT DISTINCT unnest(keywords) FROM message WHERE mailbox_id = %(mailbox_id)s AND keywords <> '{}'
"""

FLAG_ROWS = """
SELECT uid, modseq, flags, keywords, size, internal_date FROM message
WHERE mailbox_id = %(mailbox_id)s ORDER BY uid
"""
FLAG_ROWS_BETWEEN = """
SELECT uid, modseq, flags, keywords, size, internal_date FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid BETWEEN %(first_uid)s AND %(last_uid)s ORDER BY uid
"""
FLAG_ROWS_OF = """
SELECT uid, modseq, flags, keywords, size, internal_date FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) ORDER BY uid
"""
# Decoding an array that is nearly always empty would cost the reader a tenth of the row.
_CACHED = """
SELECT uid, modseq, flags, CASE WHEN keywords <> '{}' THEN keywords END, size, internal_date, envelope, body_structure
FROM message WHERE mailbox_id = %(mailbox_id)s
"""
CACHED_ROWS = f"{_CACHED} ORDER BY uid"
CACHED_ROWS_OF = f"{_CACHED} AND uid = ANY(%(uids)s) ORDER BY uid"
CACHED_ROWS_BETWEEN = f"{_CACHED} AND uid BETWEEN %(first_uid)s AND %(last_uid)s ORDER BY uid"
# Never waits for a row: somebody who holds one is filling the cache too, or the message is about to go.
FILL_CACHE = """
WITH free AS (
    SELECT uid FROM message WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
    ORDER BY uid FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE message
SET envelope = new.envelope, body_structure = new.body_structure, subject = new.subject, sender = new.sender,
    recipients = new.recipients, sent_at = new.sent_at, message_id = new.message_id,
    has_attachments = new.has_attachments, thread_refs = new.thread_refs
FROM free JOIN unnest(%(uids)s::bigint[], %(envelope)s::bytea[], %(body_structure)s::bytea[], %(subject)s::text[],
                      %(sender)s::text[], %(recipients)s::text[], %(sent_at)s::timestamptz[], %(message_id)s::text[],
                      %(has_attachments)s::bool[], %(thread_refs)s::bytea[])
    AS new (uid, envelope, body_structure, subject, sender, recipients, sent_at, message_id, has_attachments,
            thread_refs)
    USING (uid)
WHERE message.mailbox_id = %(mailbox_id)s AND message.uid = free.uid
"""

RARE_ROWS = """
SELECT uid, email_id, coalesce(saved_at, internal_date), preview FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
"""
FILL_PREVIEWS = """
WITH free AS (
    SELECT uid FROM message WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
    ORDER BY uid FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE message SET preview = new.preview
FROM free JOIN unnest(%(uids)s::bigint[], %(previews)s::text[]) AS new (uid, preview) USING (uid)
WHERE message.mailbox_id = %(mailbox_id)s AND message.uid = free.uid
"""
# Of messages whose internal date is not the moment in which they were saved (RFC 8514).
SET_SAVED = """
UPDATE message SET saved_at = now() WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
"""

MESSAGE_ROWS = """
SELECT uid, store_key, flags, keywords, size, internal_date, modseq FROM message
WHERE mailbox_id = %(mailbox_id)s ORDER BY uid
"""
MESSAGE_ROWS_OF = """
SELECT uid, store_key, flags, keywords, size, internal_date, modseq FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) ORDER BY uid
"""
MESSAGE_ROWS_BETWEEN = """
SELECT uid, store_key, flags, keywords, size, internal_date, modseq FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid BETWEEN %(first_uid)s AND %(last_uid)s ORDER BY uid
"""
DELETED_ROWS = """
SELECT uid, store_key, flags, keywords, size, internal_date, modseq FROM message
WHERE mailbox_id = %(mailbox_id)s AND flags & 8 <> 0 ORDER BY uid
"""
MESSAGE_AT = """
SELECT mailbox.name, store_key, flags, keywords FROM message JOIN mailbox ON mailbox.id = message.mailbox_id
WHERE mailbox_id = %(mailbox_id)s AND uid = %(uid)s
"""

STORE_KEYS_OF = """
SELECT mailbox_id, uid, store_key
FROM message JOIN unnest(%(mailbox_ids)s::bigint[], %(uids)s::bigint[]) AS wanted (mailbox_id, uid)
    USING (mailbox_id, uid)
"""
KEYS_AMONG = """
SELECT store_key FROM message WHERE mailbox_id = ANY(%(mailbox_ids)s) AND store_key = ANY(%(store_keys)s)
"""

MODSEQS = "SELECT id, highestmodseq FROM mailbox WHERE id = ANY(%(mailbox_ids)s)"
# Bounded by UID, not by modseq: a new message whose flags somebody has just changed again must not be passed over, for
# the next look begins behind it. What is newer than the mailbox row comes once more with that look.
CHANGED_ROWS = """
SELECT uid, modseq, flags, keywords, size, internal_date FROM message
WHERE mailbox_id = %(mailbox_id)s AND modseq > %(since)s AND uid < %(uidnext)s ORDER BY uid
"""
# In one statement with what is forgotten, so that nothing can be forgotten in between.
EXPUNGED_UIDS = """
SELECT expunged_horizon <= %(since)s,
       ARRAY(SELECT uid FROM expunged
             WHERE mailbox_id = mailbox.id AND modseq > %(since)s AND modseq <= %(until)s ORDER BY uid)
FROM mailbox WHERE id = %(mailbox_id)s
"""

FORGETFUL_MAILBOXES = """
SELECT mailbox_id FROM expunged GROUP BY mailbox_id HAVING min(at) < %(before)s OR count(*) > %(most_kept)s
"""
# As far as age and number say, but not beyond the first `at_once`; 0 if nothing is to go.
EXPUNGED_HORIZON = """
SELECT least(
    (SELECT max(modseq) FROM (SELECT modseq FROM expunged WHERE mailbox_id = %(mailbox_id)s
                              ORDER BY modseq LIMIT %(at_once)s) AS oldest),
    coalesce(greatest(
        (SELECT max(modseq) FROM expunged WHERE mailbox_id = %(mailbox_id)s AND at < %(before)s),
        (SELECT modseq FROM expunged WHERE mailbox_id = %(mailbox_id)s
         ORDER BY modseq DESC OFFSET %(most_kept)s LIMIT 1)), 0))
"""
RAISE_HORIZON = """
UPDATE mailbox SET expunged_horizon = greatest(expunged_horizon, %(horizon)s) WHERE id = %(mailbox_id)s
"""
FORGET_EXPUNGED = "DELETE FROM expunged WHERE mailbox_id = %(mailbox_id)s AND modseq <= %(horizon)s"

INSERT_MESSAGES = """
INSERT INTO message (mailbox_id, uid, modseq, store_key, size, internal_date, flags, keywords)
SELECT mailbox_id, uid, modseq, store_key, size, internal_date, flags, string_to_array(keywords, ' ')
FROM unnest(%(mailbox_ids)s::bigint[], %(uids)s::bigint[], %(modseqs)s::bigint[], %(store_keys)s::text[],
            %(sizes)s::bigint[], %(internal_dates)s::timestamptz[], %(flags)s::smallint[], %(keywords)s::text[])
    AS new (mailbox_id, uid, modseq, store_key, size, internal_date, flags, keywords)
"""
INSERT_COPIES = """
INSERT INTO message (mailbox_id, uid, modseq, store_key, size, internal_date, flags, keywords, envelope,
                     body_structure, subject, sender, recipients, sent_at, message_id, has_attachments, thread_refs,
                     email_id, saved_at, preview)
SELECT %(target_id)s::bigint, new.uid, %(modseq)s::bigint, new.store_key, new.size, internal_date,
       flags & %(kept_bits)s::smallint, CASE WHEN %(keeps_keywords)s THEN keywords ELSE '{}' END, envelope,
       body_structure, subject, sender, recipients, sent_at, message_id, has_attachments, thread_refs,
       coalesce(email_id, message.mailbox_id << 32 | message.uid), now(), preview
FROM message JOIN unnest(%(sources)s::bigint[], %(uids)s::bigint[], %(store_keys)s::text[], %(sizes)s::bigint[])
    AS new (source, uid, store_key, size) ON message.uid = new.source
WHERE message.mailbox_id = %(source_id)s
"""
# With the mailbox it is in: what SET_FLAGS and RAISE_MAILBOXES do.
SET_FLAGS_AND_RAISE = """
WITH changed AS (
    UPDATE message SET flags = new.flags, keywords = string_to_array(new.keywords, ' '), modseq = %(modseq)s
    FROM unnest(%(uids)s::bigint[], %(flags)s::smallint[], %(keywords)s::text[]) AS new (uid, flags, keywords)
    WHERE mailbox_id = %(mailbox_id)s AND message.uid = new.uid
)
UPDATE mailbox SET highestmodseq = %(modseq)s, unseen = unseen + %(unseen)s WHERE id = %(mailbox_id)s
"""
SET_FLAGS = """
UPDATE message SET flags = new.flags, keywords = string_to_array(new.keywords, ' '), modseq = %(modseq)s
FROM unnest(%(uids)s::bigint[], %(flags)s::smallint[], %(keywords)s::text[]) AS new (uid, flags, keywords)
WHERE mailbox_id = %(mailbox_id)s AND message.uid = new.uid
"""
EXPUNGE = """
WITH gone AS (DELETE FROM message WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) RETURNING uid)
INSERT INTO expunged (mailbox_id, uid, modseq) SELECT %(mailbox_id)s::bigint, uid, %(modseq)s::bigint FROM gone
"""

# What a transaction did to mailboxes: raised numbers are given, counters as differences.
RAISE_MAILBOXES = """
UPDATE mailbox
SET uidnext = new.uidnext, highestmodseq = new.highestmodseq, messages = mailbox.messages + new.messages,
    unseen = mailbox.unseen + new.unseen, size = mailbox.size + new.size
FROM unnest(%(mailbox_ids)s::bigint[], %(uidnexts)s::bigint[], %(modseqs)s::bigint[], %(messages)s::bigint[],
            %(unseen)s::bigint[], %(sizes)s::bigint[]) AS new (id, uidnext, highestmodseq, messages, unseen, size)
WHERE mailbox.id = new.id
"""
ADD_USAGE = """
INSERT INTO account_usage (account_id, bytes, messages)
SELECT account_id, bytes, messages
FROM unnest(%(account_ids)s::bigint[], %(bytes)s::bigint[], %(messages)s::bigint[])
    AS new (account_id, bytes, messages)
ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE
SET bytes = account_usage.bytes + excluded.bytes, messages = account_usage.messages + excluded.messages
"""

RECOUNT_MAILBOX = """
UPDATE mailbox
SET messages = counted.messages, unseen = counted.unseen, size = counted.size
FROM (SELECT count(*) AS messages, count(*) FILTER (WHERE flags & 1 = 0) AS unseen, coalesce(sum(size), 0) AS size
      FROM message WHERE mailbox_id = %(mailbox_id)s) AS counted
WHERE mailbox.id = %(mailbox_id)s
  AND (mailbox.messages, mailbox.unseen, mailbox.size)
      IS DISTINCT FROM (counted.messages, counted.unseen, counted.size)
"""
RECOUNT_USAGE = """
INSERT INTO account_usage (account_id, bytes, messages)
SELECT %(account_id)s::bigint, coalesce(sum(size), 0), coalesce(sum(messages), 0)
FROM mailbox WHERE account_id = %(account_id)s
ON CONFLICT (account_id) DO UPDATE SET bytes = excluded.bytes, messages = excluded.messages
"""
SET_STORE_KEYS = """
UPDATE message SET store_key = new.store_key, size = new.size
FROM unnest(%(uids)s::bigint[], %(store_keys)s::text[], %(sizes)s::bigint[]) AS new (uid, store_key, size)
WHERE mailbox_id = %(mailbox_id)s AND message.uid = new.uid
"""
FORGET_CACHE = """
UPDATE message SET envelope = NULL, body_structure = NULL, subject = NULL, sender = NULL, recipients = NULL,
                   sent_at = NULL, message_id = NULL, has_attachments = NULL, thread_refs = NULL, preview = NULL
WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
"""
