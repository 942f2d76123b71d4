"""What befalls the notifier and the mail server."""

from collections.abc import Iterator

from tests.faults.fault import fault
from tests.faults.stage import Stage
from worker.demo.libreville import LIBREVILLE

_POSTPONED = "SELECT count(*) FROM work WHERE kind = 'mail' AND state = 'due' AND starts + waits > 0"
_DELAY_SECONDS = 600
_ADJOINT = "adjoint@libreville.example"


@fault("the notifier killed after a mail, before it is recorded", short=True, mails_again=1)
def notifier_killed(stage: Stage) -> Iterator[None]:
    """The mail server has the mail, the database does not know: nobody can tell, so it goes again."""

    def kill() -> None:
        stage.mailbox.on_mail = lambda: None
        stage.notifier.process.kill()

    stage.mailbox.on_mail = kill
    yield
    stage.expect(lambda: stage.notifier.exits, "the end of the notifier")
    stage.let_time_pass(_DELAY_SECONDS)


@fault("the mail server away")
def smtp_away(stage: Stage) -> Iterator[None]:
    """Files are made; mails wait."""
    stage.mailbox.stop()
    yield
    stage.expect(lambda: stage.count(_POSTPONED) == len(stage.asked), "every mail put off")
    stage.mailbox.start()

    def is_back() -> bool:
        stage.let_time_pass(_DELAY_SECONDS)
        return bool(stage.mailbox.mails)

    stage.expect(is_back, "a first mail")
    stage.let_time_pass(_DELAY_SECONDS)


@fault("a mailbox full (452)")
def smtp_full(stage: Stage) -> Iterator[None]:
    """For one of two agents: the other one is not told again."""
    _add_agent(stage)
    stage.mailbox.refuse(_ADJOINT, 452)
    yield
    stage.expect(lambda: stage.count(_POSTPONED), "a mail put off")
    stage.mailbox.accept(_ADJOINT)
    stage.let_time_pass(_DELAY_SECONDS)


@fault("an address that does not exist (550)")
def smtp_unknown(stage: Stage) -> Iterator[None]:
    """For one of two agents: it is given up, and the other one told once."""
    _add_agent(stage)
    stage.mailbox.refuse(_ADJOINT, 550)
    yield
    stage.expect(lambda: stage.count("SELECT count(*) FROM notification WHERE refusal <> ''"), "a refusal")


def _add_agent(stage: Stage) -> None:
    stage.execute(
        "INSERT INTO agent (name, code_commune, email, kinds)"  # noqa: S608 — our own words
        f" VALUES ('adjoint', '{LIBREVILLE.code}', '{_ADJOINT}', 'pret,echec')"
    )
