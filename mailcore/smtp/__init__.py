"""SMTP syntax that the server and the relay client share; sans-IO."""
