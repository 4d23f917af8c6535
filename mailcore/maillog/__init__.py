"""What happened to mail: one typed event becomes a maillog line and a trace row."""
