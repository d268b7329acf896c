"""Identifies settings, and the code that ran them.

`digests` turns contents into digests, and digests into keys and seeds. `code` has the fingerprint
of code, its parts, and the differences between two of them. `source_texts` keeps the text of your
modules as they were loaded. `module_names` has names that are the same in every process. This room
imports from `errors`, `adapters` and `space`.
"""
