"""The ledger: the append-only record of outcomes in the folder of a run."""
