"""Rows of earlier code: what changed since, and which changes a user accepted."""
