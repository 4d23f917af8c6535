"""The SQL of mailcore.maillog, prepared against the migrated schema by tests/contract/test_sql_statements.py."""

COUNT = """
INSERT INTO traffic_hour (hour, kind, count) VALUES (%(hour)s, %(kind)s, %(count)s)
ON CONFLICT (hour, kind) DO UPDATE SET count = traffic_hour.count + EXCLUDED.count
"""
