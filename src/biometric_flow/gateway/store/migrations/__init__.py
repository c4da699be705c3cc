"""Schema changes, oldest first; once released, a migration never changes."""
