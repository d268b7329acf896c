"""What is known of foreign libraries, and of the system.

`content` compares, hashes and copies the contents of values. `copies` gives a setting data of its
own where all settings share it. `processors` counts the processors of this process. `pyinstaller`
tells PyInstaller what an application needs. This room imports from `errors`.
"""
