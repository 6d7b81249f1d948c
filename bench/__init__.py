"""Black-box measurements over the true protocols; see bench/README.md for the method."""
