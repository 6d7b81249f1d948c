"""Holds one Realtime session per call: conversation, journal, slot."""
