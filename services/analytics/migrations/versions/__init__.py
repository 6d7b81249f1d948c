"""One file per step. Steps are frozen: they spell out their tables, whatever `schema.py` says."""
