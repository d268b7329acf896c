"""How good searches are, compared with the same samplers alone in Optuna: `make bench-quality`."""
