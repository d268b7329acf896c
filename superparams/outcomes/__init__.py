"""Outcomes of settings: a result is recorded as it was when ``run`` returned."""
