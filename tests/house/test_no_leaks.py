"""The fixture `no_leaks` finds what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

LEAKS = {
    "child": """
        import subprocess
        kept = []
        def test_it(no_leaks):
            kept.append(subprocess.Popen(["sleep", "30"]))
    """,
    "orphan": """
        import subprocess
        def test_it(no_leaks):
            subprocess.run(["sh", "-c", "setsid sleep 30 >/dev/null 2>&1 &"], check=True)
    """,
    "forked orphan": """
        import os, time
        def test_it(no_leaks):
            pid = os.fork()
            if pid == 0:
                if os.fork() == 0:
                    time.sleep(30)
                os._exit(0)
            os.waitpid(pid, 0)
    """,
    "zombie": """
        import os
        def test_it(no_leaks):
            if os.fork() == 0:
                os._exit(0)
    """,
    "segment": """
        import os
        def test_it(no_leaks):
            open(f"/dev/shm/superparams-test-{os.getpid()}", "w").close()
    """,
    "file": """
        import os
        def test_it(no_leaks):
            os.open("/dev/null", os.O_RDONLY)
    """,
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found(pytester: pytest.Pytester, leak: str) -> None:
    run(pytester, LEAKS[leak]).assert_outcomes(passed=1, errors=1)


def test_what_ends_in_time_is_no_leak(pytester: pytest.Pytester) -> None:
    tidy = """
        import subprocess, sys
        kept = []
        def test_it(no_leaks):
            subprocess.run([sys.executable, "-c", ""], check=True)
            subprocess.run(["sh", "-c", "sleep 0.1 &"], check=True)
            with open("/dev/null"):
                pass
    """
    run(pytester, tidy).assert_outcomes(passed=1)


def run(pytester: pytest.Pytester, text: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST.read_text("utf-8").replace("PATIENCE = 5.0", "PATIENCE = 0.6"))
    pytester.makepyfile(text)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    for path in Path("/dev/shm").glob("superparams-test-*"):
        path.unlink()
    return result
