"""`results.parquet`: the newest outcome of every setting of an experiment, in one table."""
