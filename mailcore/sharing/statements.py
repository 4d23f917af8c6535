"""The SQL of sharing: whose a name is, and what a list of rights says. `anyone` and `authenticated` are the accounts of
the owner's domain (docs/adr/0031).
"""

# One row for each entry that counts, or one without an entry; none for an address that is no account.
PLACES = """
SELECT asked.rank, asked.name, account.id, account.address, account.store, account.quota_bytes, account.quota_messages,
       mailbox.id, acl.negative, acl.rights
FROM unnest(%(addresses)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked (address, name, rank)
JOIN account ON account.address = asked.address
LEFT JOIN mailbox ON mailbox.account_id = account.id AND mailbox.name = asked.name
LEFT JOIN mailbox_acl acl ON acl.mailbox_id = mailbox.id
    AND (acl.identifier = %(reader)s
         OR acl.identifier IN ('anyone', 'authenticated') AND account.domain_id = %(domain)s)
ORDER BY asked.rank
"""
RIGHTS_OF = """
SELECT acl.negative, acl.rights
FROM mailbox_acl acl JOIN mailbox ON mailbox.id = acl.mailbox_id JOIN account ON account.id = mailbox.account_id
WHERE acl.mailbox_id = %(mailbox_id)s
  AND (acl.identifier = %(reader)s
       OR acl.identifier IN ('anyone', 'authenticated') AND account.domain_id = %(domain)s)
"""
# The columns of a mailbox in the order of MailboxRecord.
SHARED_WITH = """
SELECT mailbox.id, mailbox.account_id, mailbox.name, uidvalidity, uidnext, highestmodseq, first_recent_uid, special_use,
       messages, unseen, size,
       account.address, account.store, account.quota_bytes, account.quota_messages,
       coalesce(string_agg(acl.rights, '') FILTER (WHERE NOT acl.negative), ''),
       coalesce(string_agg(acl.rights, '') FILTER (WHERE acl.negative), '')
FROM mailbox_acl acl JOIN mailbox ON mailbox.id = acl.mailbox_id JOIN account ON account.id = mailbox.account_id
WHERE acl.identifier IN (%(reader)s, 'anyone', 'authenticated') AND account.id <> %(reader_id)s
  AND (acl.identifier = %(reader)s OR account.domain_id = %(domain)s)
GROUP BY mailbox.id, account.id
ORDER BY account.address, mailbox.name
"""

LIST = """
SELECT identifier, negative, rights FROM mailbox_acl WHERE mailbox_id = %(mailbox_id)s
ORDER BY negative, identifier
"""
# Locked first, so that of two changes at once the later one sees what the earlier one has made of it.
ENTRY = """
SELECT rights FROM mailbox_acl
WHERE mailbox_id = %(mailbox_id)s AND identifier = %(identifier)s AND negative = %(negative)s
"""
LOCK_LIST = "SELECT pg_advisory_xact_lock(7330000000000000 + %(mailbox_id)s::bigint)"
COUNT = "SELECT count(*) FROM mailbox_acl WHERE mailbox_id = %(mailbox_id)s"
SET = """
INSERT INTO mailbox_acl (mailbox_id, identifier, negative, rights)
VALUES (%(mailbox_id)s, %(identifier)s, %(negative)s, %(rights)s)
ON CONFLICT (mailbox_id, identifier, negative) DO UPDATE SET rights = excluded.rights
"""
REMOVE = """
DELETE FROM mailbox_acl
WHERE mailbox_id = %(mailbox_id)s AND identifier = %(identifier)s AND negative = %(negative)s
"""
ACCOUNT = "SELECT id, address, store, quota_bytes, quota_messages FROM account WHERE address = %(address)s"
INHERIT = """
INSERT INTO mailbox_acl (mailbox_id, identifier, negative, rights)
SELECT child.id, identifier, negative, rights
FROM unnest(%(names)s::text[], %(parents)s::text[]) AS new (name, parent)
JOIN mailbox child ON child.account_id = %(account_id)s AND child.name = new.name
JOIN mailbox above ON above.account_id = %(account_id)s AND above.name = new.parent
JOIN mailbox_acl ON mailbox_acl.mailbox_id = above.id
ON CONFLICT (mailbox_id, identifier, negative) DO NOTHING
"""

# What a list of mailboxes shows, of several accounts: only compared with what it was.
ACCOUNT_STATES = """
SELECT account.id, md5(concat_ws(E'\\n',
    (SELECT string_agg(concat_ws('/', id, name, special_use), ',' ORDER BY id)
     FROM mailbox WHERE account_id = account.id),
    (SELECT string_agg(name, ',' ORDER BY name) FROM subscription WHERE account_id = account.id),
    (SELECT string_agg(concat_ws('/', mailbox_id, identifier, negative, rights), ',' ORDER BY acl.id)
     FROM mailbox_acl AS acl
     WHERE identifier IN (account.address, 'anyone', 'authenticated')
        OR mailbox_id IN (SELECT id FROM mailbox WHERE account_id = account.id)),
    (SELECT string_agg(concat_ws('/', mailbox_id, entry, md5(value)), ',' ORDER BY note.id)
     FROM mailbox_metadata AS note
     WHERE mailbox_id IN (SELECT id FROM mailbox WHERE account_id = account.id)),
    (SELECT string_agg(concat_ws('/', entry, md5(value)), ',' ORDER BY id)
     FROM server_metadata WHERE reader_id = account.id)))
FROM account WHERE id = ANY(%(account_ids)s)
"""
