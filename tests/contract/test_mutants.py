"""Each line that `make mutants` changes exists, and so does each test that must fail then."""

from pathlib import Path

from tests.mutants.mutant import MisplacedError, copy_unsplit, read_mutants


def test_each_mutant_has_its_line_and_its_tests(tmp_path: Path) -> None:
    faults, copy = [], copy_unsplit(tmp_path / "copy")
    for mutant in read_mutants():
        try:
            mutant.find(copy)
            if not mutant.nodes() or mutant.before == mutant.after:
                faults.append(f"{mutant}: it has no test or changes nothing")
        except MisplacedError as error:
            faults.append(str(error))
    assert faults == []
