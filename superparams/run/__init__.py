"""A run: its options, its plan, the loop that carries it out, and what ends it early."""
