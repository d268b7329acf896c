"""Gives each test of the adapters' contract the samples of its class."""

from __future__ import annotations

from tests.adapters.contract import pytest_generate as pytest_generate_tests

__all__ = ["pytest_generate_tests"]
