"""What a provider says of a person, and whether she may come: rules only, nothing is fetched here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from producers.web.settings import WebSettings

Reason = Literal["no_claim", "unverified", "other_siret", "weak"]


class ClaimsRefused(Exception):
    """The provider knows her, and she may not come."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.code: Reason = reason


@dataclass(frozen=True)
class ClaimRules:
    """Which claim names the agent, and what else is asked of her."""

    claim: str
    sirets: frozenset[str]
    acr_values: frozenset[str]

    @classmethod
    def of(cls, settings: WebSettings) -> "ClaimRules":
        """The operator's."""
        return cls(
            settings.web_oidc_claim, frozenset(settings.web_oidc_sirets), frozenset(settings.web_oidc_acr_values)
        )

    def read(self, token: Mapping[str, Any], info: Mapping[str, Any]) -> str:
        """Who comes, by the identity token and by what `/userinfo` adds.

        Raises:
            ClaimsRefused: her address is not verified, another employer, too weak an authentication.
        """
        if self.acr_values and str(token.get("acr")) not in self.acr_values:
            raise ClaimsRefused("weak")
        claims = {**token, **info}
        if self.sirets and str(claims.get("siret")) not in self.sirets:
            raise ClaimsRefused("other_siret")
        who = claims.get(self.claim)
        if not isinstance(who, str) or not who.strip():
            raise ClaimsRefused("no_claim")
        if self.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise ClaimsRefused("unverified")
        return who.strip()
