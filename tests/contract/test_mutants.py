"""Each line that `make mutants` changes exists, and so does each test that must fail then."""

from tests.mutants.mutant import MisplacedError, read_mutants


def test_each_mutant_has_its_line_and_its_tests() -> None:
    faults = []
    for mutant in read_mutants():
        try:
            mutant.find()
            if not mutant.nodes() or mutant.before == mutant.after:
                faults.append(f"{mutant}: it has no test or changes nothing")
        except MisplacedError as error:
            faults.append(str(error))
    assert faults == []
