"""What a class body says: fields, groups of them, experiments, and what gives a field its value."""
