"""Engines carry settings to workers, and outcomes back: one module for each of them.

`contract` has what every engine is, `registry` finds one by its name. Every engine passes the
contract in `tests/contracts/engine.py`.
"""
