"""`python -m producers web`: the clerk's screen."""

import click

from common.cli import ExitCode


@click.command(short_help="Ouvre l'écran « Module Préfecture » des agents.")
@click.option("--check", is_flag=True, help="demande seulement à l'écran ouvert s'il peut travailler")
def command(*, check: bool) -> ExitCode:
    """Ouvre l'écran des agents, à l'adresse PREFECTURE_WEB_HOST et au port PREFECTURE_WEB_PORT, jusqu'à son arrêt."""
    from producers.web.settings import load_web_settings

    settings = load_web_settings()
    if check:
        from producers.web.health import ask_health

        answer = ask_health(settings.web_host, settings.web_port)
        click.echo(answer.text, err=not answer.is_ready)
        return ExitCode.DONE if answer.is_ready else ExitCode.FAILED

    from common.logs import configure_logs
    from producers.publisher import Publisher
    from producers.web.app import create_app
    from producers.web.health import answers
    from producers.web.serve import listen, serve

    configure_logs(settings.log_format, settings.log_level)
    amqp_url = settings.amqp_url.get_secret_value()
    with Publisher(amqp_url) as publisher, listen(settings.web_host, settings.web_port) as listener:
        app = create_app(settings, publisher.publish, reaches_broker=lambda: answers(amqp_url))
        serve(app, listener, quiet=True)
    return ExitCode.DONE
