"""Rows of earlier code: how the code has changed, and which changes a user accepted."""
