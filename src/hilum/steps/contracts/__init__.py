"""What images of the field expect of their surroundings: one file a contract, found here by name."""

from __future__ import annotations

from importlib import import_module

from hilum.errors import UsageError
from hilum.kernel.nearest import did_you_mean
from hilum.steps.contracts.interface import Contract

CONTRACTS = {
    "native": "native:Native",
    "command": "command:Command",
    "map": "map:MonaiPackage",
    "mercure": "mercure:Mercure",
    "bids-app": "bids_app:BidsApp",
}


def contract_of(name: str) -> Contract:
    """The contract of this name; UsageError ``unknown-contract``."""
    if name not in CONTRACTS:
        raise UsageError(
            f"no contract is named {name!r}", reason="unknown-contract", hint=did_you_mean(name, CONTRACTS)
        )
    module, _, attribute = CONTRACTS[name].partition(":")
    contract: Contract = getattr(import_module(f"{__name__}.{module}"), attribute)()
    return contract
