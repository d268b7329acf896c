"""The folder of each run, and the records in it."""
