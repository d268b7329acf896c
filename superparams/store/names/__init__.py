"""Names of points and fields in a table, also for rows that were made under other names."""
