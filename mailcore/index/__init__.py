"""UIDs, flags, modseq and cached fields in PostgreSQL."""
