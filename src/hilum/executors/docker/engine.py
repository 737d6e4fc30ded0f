"""The Docker engine as the rest of the package sees it: one client, and its refusals as errors of ours.

The engine is found as the docker command finds it: ``DOCKER_HOST``, else the local socket. Only this package imports
the docker library, and only when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.errors import HilumError, StepError, TransientError, UsageError

if TYPE_CHECKING:
    from docker.errors import APIError

    from docker import APIClient

CONNECTIONS = 256
"""Kept open at most; each running attempt waits on one."""

REFUSED = ("unauthorized", "denied", "forbidden", "no basic auth", "authentication required")
ABSENT = ("not found", "manifest unknown", "no such image", "name unknown")


class EngineGone(TransientError):
    """Nobody answers where the engine should be."""

    reason = "engine-gone"


def connect(host: str = "") -> APIClient:
    """A client of the engine, for use by any number of threads.

    Args:
        host: as ``DOCKER_HOST``; empty: as the environment says.

    Raises:
        EngineGone: there is none.
    """
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    from docker import APIClient

    try:
        settings = {"base_url": host} if host else kwargs_from_env()
        return APIClient(**settings, version="auto", max_pool_size=CONNECTIONS)
    except DockerException:
        raise EngineGone(
            "no Docker engine answers", hint="start it, or set DOCKER_HOST; `docker info` must work"
        ) from None


def missing_image(reference: str) -> UsageError:
    """The error for an image that is not here and may or can not be had."""
    return UsageError(
        f"image {reference} is not here",
        reason="image-missing",
        hint=f"try `docker pull {reference}`, or let the step's `pull` be `missing`",
    )


def pull_error(reference: str, error: APIError) -> HilumError:
    """Why a registry did not give an image."""
    said = str(error.explanation).lower()
    if any(word in said for word in REFUSED):
        return UsageError(
            f"the registry refuses image {reference}, or has none",
            reason="image-refused",
            hint="log in with `docker login` as the user that Hilum runs as",
        )
    if error.status_code == 404 or any(word in said for word in ABSENT):
        return missing_image(reference)
    return TransientError(
        f"the registry of image {reference} cannot be reached",
        reason="registry-unreachable",
        hint=f"`docker pull {reference}` says more",
    )


def start_error(error: APIError) -> HilumError:
    """Why a container could not be made or started. What the engine says is not passed on: it quotes arguments."""
    said = str(error.explanation).lower()
    if "device driver" in said or "nvidia" in said:
        return StepError(
            "the Docker engine has no graphics processor to give",
            reason="gpu-missing",
            hint="install the NVIDIA container toolkit, or take `gpu` out of the step's resources",
        )
    if error.status_code == 400 or "permission denied" in said:
        return StepError(
            "the Docker engine cannot start the step's container as it is described",
            reason="container-refused",
            hint="see its command, user, working folder and resources; the engine's own log says more",
        )
    return TransientError(
        "the Docker engine could not start the container",
        reason="container-not-started",
        hint="the engine's own log says why",
    )
