"""Records ended calls, scores them, and answers analysts."""
