"""Chores of the repository itself: set-up, lock files, documents."""
