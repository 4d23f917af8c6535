"""The SQL of mailcore.maillog, prepared against the migrated schema by tests/contract/test_sql_statements.py."""

COUNT = """
INSERT INTO traffic_hour (hour, kind, count)
SELECT * FROM unnest(%(hours)s::timestamptz[], %(kinds)s::text[], %(counts)s::bigint[])
ON CONFLICT (hour, kind) DO UPDATE SET count = traffic_hour.count + EXCLUDED.count
"""
