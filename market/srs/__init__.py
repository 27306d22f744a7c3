"""SRS files: their format, ceremonies that make them, the import of powers of tau, and the user's cache."""
