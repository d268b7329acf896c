"""The fingerprint of the code that runs a setting, and the differences between two of them."""
