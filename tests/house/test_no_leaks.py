"""What each test is held to, and which process runs which test: tests/conftest.py at work."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

# Each test passes, and its teardown finds what it left; `clean` tests come after others.
LEAKS = """
    import os, subprocess, sys, time
    from pathlib import Path
    kept = []
    def test_child(no_leaks):
        kept.append(subprocess.Popen(["sleep", "30"]))
    def test_child_without_the_fixture():
        kept.append(subprocess.Popen(["sleep", "30"]))
    def test_orphan(no_leaks):
        subprocess.run(["sh", "-c", "setsid sleep 30 >/dev/null 2>&1 &"], check=True)
    def test_forked_orphan(no_leaks):
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                time.sleep(30)
            os._exit(0)
        os.waitpid(pid, 0)
    def test_zombie(no_leaks):
        if os.fork() == 0:
            os._exit(0)
    def test_zombie_without_the_fixture():
        if os.fork() == 0:
            os._exit(0)
    def test_segment(no_leaks):
        # Tests that run beside this one take a file of this name for another process's.
        open(f"/dev/shm/sem.loky-{os.getpid()}-superparams-test", "w").close()
    def test_file(no_leaks):
        os.open("/dev/null", os.O_RDONLY)
    STARTS = "import subprocess, time; time.sleep(0.3); subprocess.run(['sleep', '30'])"
    def test_failed_one_that_goes_on(no_leaks):
        kept.append(subprocess.Popen([sys.executable, "-c", STARTS]))
        raise AssertionError
    def test_clean(no_leaks):
        left = [int(pid) for path in Path("/proc/self/task").glob("*/children")
                for pid in path.read_text().split()]
        assert len(left) <= 1, "the tracker of multiprocessing"
        time.sleep(0.5)
"""


def test_a_leak_is_found_and_ended_and_not_blamed_on_the_next_test(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, LEAKS, 0.6)
    leaks = [line.split("test_")[1].split("(")[0] for line in LEAKS.splitlines() if "def " in line]
    leaks.remove("clean")
    result.assert_outcomes(passed=9, failed=1, errors=9)
    for leak in leaks:
        result.stdout.re_match_lines([rf"ERROR .*::test_{leak}( - .*)?$"])


SHARED_OUT = """
    import os, subprocess, sys, time
    from pathlib import Path
    import pytest
    HERE = Path({folder!r})
    def note(what):
        with open(HERE / "notes", "a") as file:
            file.write(f"{{what}} {{os.getpid()}}\\n")
    @pytest.mark.parametrize("number", range(9))
    def test_it(number):
        note("begins")
        time.sleep(0.02)
        note("ends")
    @pytest.mark.timed
    def test_timed():
        note("timed")
    def test_what_ends_in_time_is_no_leak(no_leaks):
        subprocess.run([sys.executable, "-c", ""], check=True)
        subprocess.run(["sh", "-c", "sleep 0.1 &"], check=True)
        with open("/dev/null"):
            pass
"""


OF_LOKY = """
    import os
    def test_of_another_process(no_leaks):
        open(f"/dev/shm/sem.loky-{os.getppid()}-superparams", "w").close()
    def test_of_our_own(no_leaks):
        open(f"/dev/shm/sem.loky-{os.getpid()}-superparams", "w").close()
"""


def test_semaphores_of_joblib_are_blamed_on_the_process_that_made_them(
    pytester: pytest.Pytester,
) -> None:
    try:
        result = run(pytester, OF_LOKY, 0.6)
    finally:
        for path in Path("/dev/shm").glob("sem.loky-*-superparams"):
            path.unlink()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.re_match_lines([r"ERROR .*::test_of_our_own( - .*)?$"])


SEMAPHORES = """
    import os, subprocess, sys, time
    from pathlib import Path
    OURS, THEIRS = Path("/dev/shm/sem.mp-superparams-test-1"), "/dev/shm/sem.mp-superparams-test-2"
    LEAVES = f"import os, time; open({THEIRS!r}, 'w'); time.sleep(2); os.unlink({THEIRS!r})"
    def test_of_our_own(no_leaks):
        OURS.touch()
    def test_of_a_test_that_still_runs(no_leaks):
        subprocess.Popen(
            ["sh", "-c", 'setsid "$@" &', "sh", sys.executable, "-c", LEAVES],
            env={**os.environ, "SUPERPARAMS_INNER_TEST": "another"},
        ).wait()
        while not Path(THEIRS).exists():
            time.sleep(0.01)
"""


def test_a_semaphore_may_be_that_of_a_test_of_another_process(pytester: pytest.Pytester) -> None:
    """multiprocessing removes it when the process ends that the other test has started."""
    result = run(pytester, SEMAPHORES, 0.6)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.re_match_lines([r"ERROR .*::test_of_our_own - .*'shared'.*sem.mp"])


def test_timed_tests_come_when_all_others_have_ended(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    """Where several processes run tests; timed tests of all files are run by one of them."""
    pytest.importorskip("xdist")
    text = SHARED_OUT.format(folder=str(tmp_path))
    pytester.makepyfile(test_a=text, test_b=text, test_c=text)
    run(pytester, text, 30.0, "-n", "2").assert_outcomes(passed=44)
    notes = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    assert len({pid for what, pid in notes if what == "begins"}) == 2
    assert len({pid for what, pid in notes if what == "timed"}) == 1
    assert [what for what, _ in notes][-4:] == ["timed"] * 4


def run(pytester: pytest.Pytester, text: str, patience: float, *words: str) -> pytest.RunResult:
    conftest = CONFTEST.read_text("utf-8")
    assert "\nPATIENCE = 5.0" in conftest
    conftest = conftest.replace("\nPATIENCE = 5.0", f"\nPATIENCE = {patience}")
    # Tests that run beside this one have a mark, too.
    assert '\nMARK = "SUPERPARAMS_TEST"' in conftest
    pytester.makeconftest(conftest.replace('"SUPERPARAMS_TEST"', '"SUPERPARAMS_INNER_TEST"'))
    pytester.makepyfile(text)
    pytester.makeini("[pytest]\nmarkers = timed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "400")  # the summary is cut to the width of a terminal
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rE", *words)
    for path in Path("/dev/shm").glob("*superparams-test*"):
        if path.is_file():
            path.unlink()
    return result
