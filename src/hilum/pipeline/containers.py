"""The part of a pipeline file that is about container images: what the image is asked to do beside its contract, what
it gives, and what it may do. Everything that its container is not allowed by default must be named here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from hilum.model.image import Security

IMAGE = r"^[^\s@]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$"
CAPABILITY = r"^[A-Z][A-Z_]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
NAME = r"^[a-z][a-z0-9_]*$"
ONE_OR_MORE = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

ContractName = Literal["native", "command", "map", "mercure", "bids-app"]


class Model(BaseModel):
    """What all parts of a pipeline file have in common: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


def listed(value: Any) -> Any:
    """One text as a list of it."""
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(listed), WithJsonSchema(ONE_OR_MORE)]


class SecuritySpec(Model):
    """What the container may do beyond nothing. Each value that is not the default is a relaxation, and
    ``hilum validate`` prints it."""

    network: bool = Field(False, description="It may reach the network.")
    user: int = Field(65534, ge=0, description="Numeric user that it runs as; 0 is root.")
    read_only_root: bool = Field(True, description="Its own file system cannot be written.")
    capabilities: tuple[Annotated[str, Field(pattern=CAPABILITY)], ...] = Field(
        (), description="Linux capabilities that it keeps, without CAP_."
    )
    privilege_escalation: bool = Field(False, description="Set-user-id programs work.")
    pids: int = Field(1024, ge=1, description="Most processes at once.")

    def security(self) -> Security:
        """As the model has it."""
        return Security(**self.model_dump())


class MeasureSpec(Model):
    """A measurement that the image may report, so that conditions can ask for it and results are coded."""

    kind: Literal["number", "integer", "text", "boolean"] = "number"
    unit: str = Field("1", description="UCUM code.")
    code: str = Field("", description="Code value of the concept (PS3.3 8.8).")
    scheme: str = Field("", description="Its coding scheme designator, such as SCT or DCM.")
    meaning: str = Field("", description="Its meaning.")


class ImageKeys(Model):
    """What a step says of its image beside its name."""

    contract: ContractName | None = Field(
        None, description="What the image expects of its surroundings; native if not given."
    )
    command: Words | None = Field(None, description="In place of the image's entry point.")
    args: Words | None = Field(None, description="In place of the image's arguments.")
    env: dict[Annotated[str, Field(pattern=VARIABLE)], str] = Field(
        default_factory=dict, description="Variables beside the image's own. No secrets: they are recorded."
    )
    pull: Literal["never", "missing", "always"] = Field("missing", description="When to fetch the image.")
    model: str = Field("", description="Address of a file or folder that it gets read-only.")
    outputs: dict[Annotated[str, Field(pattern=NAME)], str] = Field(
        default_factory=dict, description="Globs of output files by name; otherwise as the contract has it."
    )
    measurements: dict[Annotated[str, Field(pattern=NAME)], MeasureSpec] = Field(
        default_factory=dict, description="Measurements that it may report."
    )
    security: SecuritySpec = SecuritySpec()


KEYS = frozenset(ImageKeys.model_fields)


def relaxations(security: Security) -> list[str]:
    """What a container may do that it may not by default, a phrase each."""
    plain = Security()
    found = []
    if security.network:
        found.append("may reach the network")
    if security.user == 0:
        found.append("runs as root")
    elif security.user != plain.user:
        found.append(f"runs as user {security.user}")
    if not security.read_only_root:
        found.append("may write to its own file system")
    if security.capabilities:
        found.append(f"keeps the capabilities {', '.join(security.capabilities)}")
    if security.privilege_escalation:
        found.append("may gain privileges")
    if security.pids > plain.pids:
        found.append(f"may start {security.pids} processes")
    return found
