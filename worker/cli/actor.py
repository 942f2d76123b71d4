"""Who runs the command, as the audit trail and the imports name her."""

import os
import pwd


def system_user() -> str:
    """The account of the system, whatever the environment pretends; `uid 10001` when it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in some containers
        return f"uid {os.getuid()}"
