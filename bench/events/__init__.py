"""How many events a second are taken in durably, beside raw SQLite."""
