"""The SQL of SEARCH, SORT and THREAD, most of it on the table search_segment: words of messages, a block of a mailbox
in a row for each kind of text.

Rows are written once and never changed; a block that is to grow is replaced by another row with another id. Whoever has
seen an id therefore reads what belongs to it, or nothing.
"""

SEGMENTS = """
SELECT id, uids, words FROM search_segment
WHERE mailbox_id = %(mailbox_id)s AND field = %(field)s AND fold_version = %(fold_version)s
  AND last_uid >= %(first_uid)s AND first_uid <= %(last_uid)s
"""
# Two numbers of four octets: where the postings of a word begin and end.
OFFSETS = """
SELECT ordinality, substring(offsets FROM (4 * number + 1)::int FOR 8)
FROM unnest(%(ids)s::bigint[], %(numbers)s::bigint[]) WITH ORDINALITY AS wanted (id, number, ordinality)
JOIN search_segment USING (id)
ORDER BY ordinality
"""
POSTINGS = """
SELECT ordinality, substring(postings FROM (2 * first + 1)::int FOR (2 * length)::int)
FROM unnest(%(ids)s::bigint[], %(firsts)s::bigint[], %(lengths)s::bigint[])
    WITH ORDINALITY AS wanted (id, first, length, ordinality)
JOIN search_segment USING (id)
ORDER BY ordinality
"""

LAST_SEGMENT = """
SELECT first_uid, last_uid, is_full FROM search_segment
WHERE mailbox_id = %(mailbox_id)s AND field = 0 ORDER BY last_uid DESC LIMIT 1
"""
NEXT_MESSAGES = """
SELECT uid, store_key, flags, keywords, size, internal_date, modseq FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid > %(after)s AND uid < %(uidnext)s ORDER BY uid LIMIT %(most)s
"""
ENVELOPES = """
SELECT uid, envelope FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) AND envelope IS NOT NULL AND body_structure IS NOT NULL
"""
# One at a time extends the index of a mailbox.
LOCK_SEGMENTS = "SELECT pg_advisory_xact_lock(7320000000000000 + %(mailbox_id)s::bigint)"
DELETE_SEGMENTS_FROM = """
DELETE FROM search_segment WHERE mailbox_id = %(mailbox_id)s AND last_uid >= %(first_uid)s
"""
DELETE_EMPTY_SEGMENTS = """
DELETE FROM search_segment
WHERE mailbox_id = %(mailbox_id)s AND is_full AND NOT EXISTS (
    SELECT FROM message
    WHERE message.mailbox_id = search_segment.mailbox_id AND uid BETWEEN first_uid AND last_uid
) AND last_uid < (SELECT max(last_uid) FROM search_segment WHERE mailbox_id = %(mailbox_id)s)
"""
INSERT_SEGMENTS = """
INSERT INTO search_segment (mailbox_id, field, first_uid, last_uid, is_full, uids, fold_version,
                            words, offsets, postings)
SELECT %(mailbox_id)s::bigint, field, %(first_uid)s::bigint, %(last_uid)s::bigint, %(is_full)s::bool, %(uids)s::bytea,
       %(fold_version)s::smallint, words, offsets, postings
FROM unnest(%(fields)s::smallint[], %(words)s::bytea[], %(offsets)s::bytea[], %(postings)s::bytea[])
    AS new (field, words, offsets, postings)
"""
# Blocks whose words were folded by other rules than those of today: no search asks them.
STALE_BLOCK = """
SELECT first_uid, last_uid, is_full FROM search_segment
WHERE mailbox_id = %(mailbox_id)s AND field = 0 AND fold_version <> %(fold_version)s ORDER BY last_uid DESC LIMIT 1
"""
DELETE_STALE_BLOCK = """
DELETE FROM search_segment
WHERE mailbox_id = %(mailbox_id)s AND last_uid = %(last_uid)s AND fold_version <> %(fold_version)s
"""
# An index knows what is less and what is more, not what is different.
STALE = """
SELECT mailbox.id, account.id, account.address, account.store, account.quota_bytes, account.quota_messages
FROM mailbox JOIN account ON account.id = mailbox.account_id
WHERE mailbox.id IN (SELECT mailbox_id FROM search_segment WHERE field = 0
                     AND (fold_version < %(fold_version)s OR fold_version > %(fold_version)s))
ORDER BY random() LIMIT %(most)s
"""
FORGET_SEGMENTS = "DELETE FROM search_segment WHERE mailbox_id = %(mailbox_id)s"

# Mailboxes with enough messages that no segment knows, to which nothing came in the last seconds: what is being filled
# is better indexed when it is full. In any order, so that one that cannot be read does not hold up the others.
BEHIND = """
SELECT mailbox.id, account.id, account.address, account.store, account.quota_bytes, account.quota_messages
FROM mailbox JOIN account ON account.id = mailbox.account_id
WHERE messages >= %(at_least)s
  AND uidnext > %(at_least)s
      + (SELECT coalesce(max(last_uid), 0) FROM search_segment WHERE mailbox_id = mailbox.id AND field = 0)
  AND NOT EXISTS (SELECT FROM message WHERE mailbox_id = mailbox.id AND uid = mailbox.uidnext - 1
                                        AND internal_date > now() - make_interval(secs => %(calm_s)s))
ORDER BY random() LIMIT %(most)s
"""

# What messages are sorted by. Texts are given only where they are needed; without a sent date, the ENVELOPE tells more.
SORT_COLUMNS = """
SELECT uid, size, floor(extract(epoch FROM internal_date))::bigint, floor(extract(epoch FROM sent_at))::bigint,
       CASE WHEN %(with_subject)s::bool THEN subject END,
       CASE WHEN %(with_envelope)s::bool OR sent_at IS NULL THEN envelope END,
       envelope IS NOT NULL AND body_structure IS NOT NULL
FROM message
"""
SORT_ROWS = f"""
{SORT_COLUMNS} WHERE mailbox_id = %(mailbox_id)s AND uid BETWEEN %(first_uid)s AND %(last_uid)s ORDER BY uid
"""
SORT_ROWS_OF = f"{SORT_COLUMNS} WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) ORDER BY uid"
THREAD_REFS = """
SELECT uid, thread_refs FROM message
WHERE mailbox_id = %(mailbox_id)s AND uid BETWEEN %(first_uid)s AND %(last_uid)s ORDER BY uid
"""
THREAD_REFS_OF = """
SELECT uid, thread_refs FROM message WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s) ORDER BY uid
"""
# As FILL_CACHE: waits for nobody.
FILL_THREAD_REFS = """
WITH free AS (
    SELECT uid FROM message WHERE mailbox_id = %(mailbox_id)s AND uid = ANY(%(uids)s)
    ORDER BY uid FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE message SET thread_refs = new.thread_refs
FROM free JOIN unnest(%(uids)s::bigint[], %(thread_refs)s::bytea[]) AS new (uid, thread_refs) USING (uid)
WHERE message.mailbox_id = %(mailbox_id)s AND message.uid = free.uid
"""
