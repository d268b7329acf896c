"""Names of points and fields in a table, whatever they were called when a row was made."""
