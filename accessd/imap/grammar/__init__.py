"""The syntax of RFC 3501 and its extensions: bytes to values, without I/O."""
