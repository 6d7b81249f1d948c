"""The deployables: gateway, worker, analytics, and the command line. They never import each other."""
