"""The SQL of annotations: those of a mailbox, and those of the server; `reader_id` NULL is /shared."""

# One row for each annotation that is asked for, in the order of asking. Depth 0 is the entry itself, 1 what is directly
# below it too, 2 all below it. A value larger than wanted is only measured.
_wanted = """
    ON (found.entry = asked.entry
        OR asked.depth > 0 AND starts_with(found.entry, asked.entry || '/')
           AND (asked.depth > 1 OR position('/' IN substr(found.entry, length(asked.entry) + 2)) = 0))
   AND CASE WHEN asked.private THEN found.reader_id = %(reader)s ELSE found.reader_id IS NULL END
"""
_asked = """
SELECT asked.rank, found.entry, octet_length(found.value),
       CASE WHEN octet_length(found.value) <= %(most)s THEN found.value END
FROM unnest(%(entries)s::text[], %(privates)s::bool[], %(depths)s::int[])
     WITH ORDINALITY AS asked (entry, private, depth, rank)
"""
OF_MAILBOX = f"""
{_asked} JOIN (SELECT * FROM mailbox_metadata WHERE mailbox_id = %(mailbox_id)s) AS found {_wanted}
ORDER BY asked.rank, found.entry
"""
OF_SERVER = f"""
{_asked} JOIN (SELECT * FROM server_metadata WHERE reader_id = %(reader)s OR reader_id IS NULL) AS found {_wanted}
ORDER BY asked.rank, found.entry
"""

# One at a time changes the annotations of a mailbox, or the own ones of the server.
LOCK_MAILBOX = "SELECT pg_advisory_xact_lock(7340000000000000 + %(mailbox_id)s::bigint)"
LOCK_READER = "SELECT pg_advisory_xact_lock(7350000000000000 + %(reader)s::bigint)"
SET_OF_MAILBOX = """
INSERT INTO mailbox_metadata (mailbox_id, reader_id, entry, value)
VALUES (%(mailbox_id)s, %(reader)s, %(entry)s, %(value)s)
ON CONFLICT (mailbox_id, reader_id, entry) DO UPDATE SET value = excluded.value
"""
SET_OF_SERVER = """
INSERT INTO server_metadata (reader_id, entry, value) VALUES (%(reader)s, %(entry)s, %(value)s)
ON CONFLICT (reader_id, entry) DO UPDATE SET value = excluded.value
"""
REMOVE_OF_MAILBOX = """
DELETE FROM mailbox_metadata
WHERE mailbox_id = %(mailbox_id)s AND entry = %(entry)s AND reader_id IS NOT DISTINCT FROM %(reader)s::bigint
"""
REMOVE_OF_SERVER = "DELETE FROM server_metadata WHERE entry = %(entry)s AND reader_id = %(reader)s"
COUNT_OF_MAILBOX = """
SELECT count(*) FROM mailbox_metadata
WHERE mailbox_id = %(mailbox_id)s AND reader_id IS NOT DISTINCT FROM %(reader)s::bigint
"""
COUNT_OF_SERVER = "SELECT count(*) FROM server_metadata WHERE reader_id = %(reader)s"
# What counts for an account: its own annotations wherever they are, and those in its mailboxes that all share. Without
# a reader it is the mailbox's owner who is asked about.
USE_OF_ACCOUNT = """
WITH asked AS (
    SELECT coalesce(%(reader)s::bigint, (SELECT account_id FROM mailbox WHERE id = %(mailbox_id)s::bigint)) AS id
), size AS (
    SELECT octet_length(value) AS octets FROM mailbox_metadata WHERE reader_id = (SELECT id FROM asked)
    UNION ALL
    SELECT octet_length(value) FROM server_metadata WHERE reader_id = (SELECT id FROM asked)
    UNION ALL
    SELECT octet_length(shared.value)
    FROM mailbox JOIN mailbox_metadata shared ON shared.mailbox_id = mailbox.id AND shared.reader_id IS NULL
    WHERE mailbox.account_id = (SELECT id FROM asked)
)
SELECT count(*), coalesce(sum(octets), 0) FROM size
"""

SET_SPECIAL_USE = "UPDATE mailbox SET special_use = %(use)s WHERE id = %(mailbox_id)s"
DIGESTS = """
SELECT mailbox_id, reader_id IS NOT NULL, entry, md5(value) FROM mailbox_metadata
WHERE mailbox_id = ANY(%(mailbox_ids)s::bigint[]) AND (reader_id IS NULL OR reader_id = %(reader)s)
UNION ALL
SELECT 0, reader_id IS NOT NULL, entry, md5(value) FROM server_metadata
WHERE reader_id IS NULL OR reader_id = %(reader)s
"""
