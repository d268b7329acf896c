"""What is known of foreign libraries, and of the system.

A file ``<name>_library`` has the adapters of one library: how its values are compared, copied,
digested, put into tables and shared with workers. `adapter` says what an adapter is, and
`libraries` finds the adapter of a value, also one that another package registers. `content`
compares, hashes and copies values of any kind. `copies` gives a setting data of its own where all
settings share it. `processors` counts the processors of this process. `pyinstaller` tells
PyInstaller what an application needs. This room imports from `errors`.
"""
