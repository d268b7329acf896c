"""How good searches are, beside the same samplers alone in Optuna: `make bench-quality`."""
