"""rebuild_index and convert_store."""
