"""Terminates media sockets, answers carriers' webhooks, and routes each call to its worker."""
