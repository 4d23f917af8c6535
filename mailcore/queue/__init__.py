"""Messages this host has promised to pass on: rows in PostgreSQL, content in spool files."""
