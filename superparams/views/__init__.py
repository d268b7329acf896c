"""What people see of a run and of its results: progress and tables."""
