"""Digests: equal contents have equal digests, on every machine and in every process."""
