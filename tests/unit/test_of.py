"""The map from a module of the product to its tests."""

import subprocess
import sys

import click
import pytest

from tests.of import ROOMS, ROOT, find_tests, read_imports


def test_each_module_that_another_one_imports_has_tests() -> None:
    imported = set[str]().union(*read_imports().values())
    paths = [ROOT / f"{it.replace('.', '/')}.py" for it in imported if it.split(".")[0] in ROOMS]
    assert all(find_tests(str(path)) for path in paths if path.exists())


def test_the_file_named_after_the_module_comes_first() -> None:
    assert find_tests(str(ROOT / "common/french.py"))[0] == "tests/unit/test_french.py"
    assert find_tests(str(ROOT / "worker/work/queue.py"))[0] == "tests/integration/test_work.py"


def test_a_test_that_imports_the_module_is_found() -> None:
    assert "tests/unit/test_error_policy.py" in find_tests(str(ROOT / "worker/work/queue.py"))


def test_a_module_that_no_test_imports_has_the_tests_of_its_caller() -> None:
    assert "tests/unit/test_pdf.py" in find_tests(str(ROOT / "worker/pdf/font.py"))


def test_a_file_outside_the_product_is_refused() -> None:
    with pytest.raises(click.UsageError):
        find_tests(str(ROOT / "tests/of.py"))


def test_the_command_runs_the_tests_of_a_module() -> None:
    command = [sys.executable, "-m", "tests.of", "worker/domain/fingerprint.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout
