"""The fingerprint of the code that runs a setting, and what differs between two of them."""
