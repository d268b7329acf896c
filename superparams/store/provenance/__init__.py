"""Which code, data and environment made a result, and how to get the code back."""
