"""What became of settings: what is recorded of each is what it was when ``run`` returned."""
