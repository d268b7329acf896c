"""The folder of each run, and what it tells of the run."""
