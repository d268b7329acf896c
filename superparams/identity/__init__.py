"""What identifies a setting (its key, from the content of its values) and the code that ran it."""
