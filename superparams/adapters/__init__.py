"""What is known of libraries: how objects of theirs are copied for a setting."""
