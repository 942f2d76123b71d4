"""Every kind of anomaly that the report of a list file may contain."""

from worker.registre.checks import rules

KINDS = (*(it for it in vars(rules).values() if isinstance(it, rules.Kind)), *rules.RULES)
