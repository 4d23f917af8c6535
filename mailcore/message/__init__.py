"""RFC 5322 and MIME: pure functions over bytes and offsets; no files, no sockets."""
