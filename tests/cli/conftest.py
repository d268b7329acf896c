"""A project for each test of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Project
from tests.cli.noting_experiment import FIT


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project, marked as such so that its root is known."""
    return Project(tmp_path / "project")


@pytest.fixture
def fit(project: Project) -> Project:
    """A project with the experiment RQ1.Fit, of which nothing fails."""
    return project.write({"experiments/RQ1.py": FIT, "bad": ""})
