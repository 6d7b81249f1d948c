"""The deployables: gateway, worker, analytics, and the command line. None imports another."""
