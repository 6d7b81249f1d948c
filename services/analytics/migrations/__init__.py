"""The database's history, forward and back; `services.analytics.database` runs it."""
