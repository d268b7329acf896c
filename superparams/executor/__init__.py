"""Runs settings: what workers need, what a worker does, and the engines that start workers."""
