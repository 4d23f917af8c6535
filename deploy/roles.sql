-- Four database roles, each with what its programs need and no more (docs/architecture.md, processes, users, rights).
-- Run by the owner of the tables after every migration: psql -f deploy/roles.sql, or manage.py hand_out_keys, which also
-- gives the roles their passwords. Safe to repeat. A new table is invisible to all but the panel until it is named here.

DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['mail_web', 'mail_smtpd', 'mail_accessd', 'mail_queue'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', role_name);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM %I', role_name);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
    END LOOP;
END $$;

-- Panel, webmail and API: everything but the schema itself.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mail_web;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mail_web;
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM mail_web;

-- Configuration and who exists: read by all programs, written by none of them.
GRANT SELECT ON
    server_settings, config_generation, my_network, relay_host, transport_rule, sender_rewrite, domain, account, alias,
    oauth_issuer
TO mail_smtpd, mail_accessd, mail_queue;
-- App passwords: read where somebody may log in, and written by nobody but the panel; only their last use is noted, and
-- the last login of each account.
GRANT SELECT ON app_password, login_secret TO mail_smtpd, mail_accessd;
GRANT SELECT, INSERT, UPDATE ON app_password_use, account_login TO mail_smtpd, mail_accessd;

-- The index of mailboxes: whoever delivers or reads.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    mailbox, message, expunged, account_usage, subscription, search_segment
TO mail_smtpd, mail_accessd, mail_queue;
-- Who else may do what with a mailbox, and annotations: changed over IMAP.
GRANT SELECT, INSERT, UPDATE, DELETE ON mailbox_acl, mailbox_metadata, server_metadata TO mail_accessd;

-- The queue: smtpd puts in, scheduler and worker work it off; accessd may only know which ids exist.
GRANT SELECT, INSERT ON queue_message, queue_recipient TO mail_smtpd;
GRANT SELECT, INSERT, UPDATE, DELETE ON queue_message, queue_recipient TO mail_queue;
-- After a power cut whoever starts first asks which spool files belong to anything.
GRANT SELECT (queue_id) ON queue_message TO mail_accessd;

-- What happened, and who runs.
GRANT SELECT, INSERT ON trace_event TO mail_smtpd, mail_accessd, mail_queue;
-- Retention (mailadmin/trace/retention.py) runs in the worker: it may have whole weeks dropped, but no row changed.
GRANT EXECUTE ON FUNCTION trace_make_partitions(date, date), trace_forget_before(timestamptz) TO mail_queue;
GRANT DELETE ON traffic_hour TO mail_queue;
GRANT SELECT, INSERT, UPDATE ON traffic_hour TO mail_smtpd, mail_accessd, mail_queue;
GRANT SELECT, INSERT, UPDATE, DELETE ON process_status TO mail_smtpd, mail_accessd, mail_queue;
GRANT SELECT, INSERT, UPDATE, DELETE ON client_session TO mail_accessd;

GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO mail_smtpd, mail_accessd, mail_queue;
