"""What we know, in PostgreSQL."""
