"""The code, data and environment that made a result, and how to restore the code."""
