"""Settings: `hilum.toml` in the home, overridden by ``HILUM_*`` variables, overridden by flags. Few, and checked."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hilum.errors import UsageError
from hilum.kernel.logging import Level, LogFormat
from hilum.kernel.nearest import did_you_mean, nearest

if TYPE_CHECKING:
    from hilum.executors.kubernetes.settings import KubernetesSettings

FILE = "hilum.toml"
PREFIX = "HILUM_"
BYTES = re.compile(r"(\d+)(Ki|Mi|Gi|Ti)?")
CHOICES = {
    "log_format": get_args(LogFormat),
    "log_level": get_args(Level),
    "executor": ("local", "kubernetes"),
    "telemetry": ("", "otlp", "google"),
}
POWERS = {None: 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set. Each name is a key of ``hilum.toml`` and, in capitals after ``HILUM_``, a variable.

    Attributes:
        ledger: SQLAlchemy URL of the ledger; empty means ``ledger.sqlite`` in the home.
        pipelines: pipeline files, relative to the home; empty means the built-in default.
        slots: attempts at once; 0 means one for each core.
        workers: processes that read objects; 0 means one for each core, up to 8.
        executor: ``local`` (Python steps in processes, images in Docker) or ``kubernetes``.
        kubernetes: how attempts run on a cluster, a table; see docs/how-to/kubernetes.md.
        store: address of the storage for artifacts and results; empty means ``store`` in the home.
        warehouse: address of a dataset, such as ``bigquery://PROJECT/DATASET``; empty means Parquet in the home.
        maximum_bytes_billed: most bytes that one query may bill on BigQuery, such as ``100Gi``.
        lead: several engines serve this ledger, and one of them leads.
        dead_letters: Pub/Sub topic for messages that cannot be understood, ``projects/P/topics/T``; empty: they are
            acknowledged with a line in the log.
        health: address of probes and metrics of ``hilum serve``, such as ``:8080``; empty means none.
        docker: the Docker engine for steps that run images, as ``DOCKER_HOST``; empty means as the environment says.
        memory: most memory for one attempt, such as ``8Gi``; empty means three quarters of the machine's.
        still: seconds that a watched file must not change before it counts.
        sweep: seconds between two looks at everything that is watched.
        telemetry: ``otlp`` or ``google`` export metrics and traces by OpenTelemetry; empty means no export.
        actor: who acts, for the audit, such as a service account; empty means the operating system's user.
        audit_reads: who asks the warehouse, or where a result came from, stands in the audit, too.
        log_format: ``console``, ``json``, or ``google`` for Cloud Logging.
        log_level: ``debug``, ``info``, ``warning``, ``error`` or ``off``; empty means what suits the command.
    """

    ledger: str = ""
    pipelines: tuple[str, ...] = ()
    slots: int = 0
    workers: int = 0
    executor: Literal["local", "kubernetes"] = "local"
    kubernetes: KubernetesSettings | None = None
    store: str = ""
    warehouse: str = ""
    maximum_bytes_billed: str = "100Gi"
    lead: bool = False
    dead_letters: str = ""
    health: str = ""
    docker: str = ""
    memory: str = ""
    still: float = 2.0
    sweep: float = 60.0
    telemetry: Literal["", "otlp", "google"] = ""
    actor: str = ""
    audit_reads: bool = False
    log_format: LogFormat = "console"
    log_level: Level | Literal[""] = ""

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        if not self.memory:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
        return parse_bytes(self.memory)


def load_settings(
    home: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a home.

    Args:
        flags: settings from the command line; None values are left out.

    Raises:
        UsageError: an unknown key (with the nearest right one), a value of the wrong type, a file that is no TOML.
    """
    settings = Settings()
    file = home / FILE
    if file.is_file():
        try:
            document = tomllib.loads(file.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} is no TOML: {error}", reason="bad-settings") from None
        settings = _merge(settings, document, str(file))
    environment = os.environ if environment is None else environment
    settings = _merge(settings, _from_environment(environment), "the environment")
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return _merge(settings, given, "the command line")


def parse_bytes(text: str) -> int:
    """``8Gi``, ``500Mi`` or plain bytes as a number of bytes."""
    found = BYTES.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{text!r} is no amount of memory", hint="write 8Gi, 500Mi or bytes", reason="bad-settings"
        )
    return int(found[1]) << POWERS[found[2]]


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Variables that name a setting, or nearly do; others that begin with HILUM_ are for other purposes."""
    found: dict[str, Any] = {}
    known = [field.name for field in fields(Settings)]
    for variable in environment:
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name not in known and (meant := nearest(name, known)):
            raise UsageError(
                f"the variable {variable} sets nothing",
                hint=f"did you mean {PREFIX}{meant.upper()}?",
                reason="unknown-setting",
            )
    for field in fields(Settings):
        text = environment.get(PREFIX + field.name.upper())
        if text is None:
            continue
        default = field.default
        if isinstance(default, tuple):
            found[field.name] = [part for part in text.split(os.pathsep) if part]
        elif isinstance(default, bool):
            found[field.name] = _truth(field.name, text)
        elif isinstance(default, (int, float)):
            found[field.name] = _number(field.name, text, type(default))
        else:
            found[field.name] = text
    return found


def _truth(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UsageError(f"{PREFIX}{name.upper()} must be true or false, not {text!r}", reason="bad-settings")
    return text.lower() == "true"


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(
            f"{PREFIX}{name.upper()} must be a number, not {text!r}", reason="bad-settings"
        ) from None


def _merge(settings: Settings, document: Mapping[str, Any], where: str) -> Settings:
    defaults = {field.name: field.default for field in fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in defaults:
            raise UsageError(
                f"{where} names a setting that there is not: {name!r}",
                hint=did_you_mean(name, defaults),
                reason="unknown-setting",
            )
        values[name] = (
            _cluster(value, where) if name == "kubernetes" else _checked(name, value, defaults[name], where)
        )
    return replace(settings, **values)


def _cluster(value: Any, where: str) -> KubernetesSettings | None:
    """The table ``kubernetes``, or that of a variable as JSON."""
    from hilum.executors.kubernetes.settings import KubernetesSettings
    from hilum.model.codec import from_json

    if value is None or isinstance(value, KubernetesSettings):
        return value
    try:
        found = json.loads(value) if isinstance(value, str) else value
        return from_json(KubernetesSettings, found)
    except (ValueError, TypeError, AttributeError) as error:
        known = [each.name for each in fields(KubernetesSettings)]
        word = next((name for name in value if name not in known), "") if isinstance(value, dict) else ""
        raise UsageError(
            f"{where}: the table kubernetes cannot be read: {error}",
            hint=did_you_mean(word, known) if word else "it needs image at least",
            reason="bad-settings",
        ) from None


def _checked(name: str, value: Any, default: Any, where: str) -> Any:
    if (
        isinstance(default, tuple)
        and isinstance(value, (list, tuple))
        and all(isinstance(v, str) for v in value)
    ):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        kind = "a list of texts" if isinstance(default, tuple) else type(default).__name__
        raise UsageError(f"{where}: {name} must be {kind}, not {value!r}", reason="bad-settings")
    if name in ("memory", "maximum_bytes_billed") and value:
        parse_bytes(value)
    choices = CHOICES.get(name)
    if choices is not None and value not in choices:
        raise UsageError(
            f"{where}: {name} must be one of {', '.join(choices)}, not {value!r}", reason="bad-settings"
        )
    return value
