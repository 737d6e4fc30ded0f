"""What an image reference means now, asked of the Docker engine; and which image a plan's digest is here.

A digest is the one of the image's manifest where it came from a registry, so that every engine and cluster knows it;
an image that was only ever built or loaded here has its own id instead.
"""

from __future__ import annotations

import io
import posixpath
import re
import tarfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hilum.errors import UsageError
from hilum.executors.docker.engine import EngineGone, connect, missing_image, pull_error
from hilum.model.image import ImagePlan, ResolvedImage

if TYPE_CHECKING:
    from docker import APIClient

LONGEST_TEXT = 1 << 20
MOST_LINKS = 8
DIGEST = r"sha256:[0-9a-f]{64}"
PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?P<name>(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{PART}(?:/{PART})*)"
    rf"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@(?P<digest>{DIGEST}))?"
)


class DockerImages:
    """Resolves images with a Docker engine.

    Args:
        host: as ``DOCKER_HOST``; empty: as the environment says.
    """

    def __init__(self, host: str = "") -> None:
        self._host = host

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        """See :class:`hilum.model.image.ImageResolver`; also EngineGone, where there is no engine."""
        from requests.exceptions import RequestException

        name = _name(reference)
        api = connect(self._host)
        try:
            image = obtain(api, reference, pull)
            return ResolvedImage(
                reference,
                digest=_digest(image, name),
                labels=image["Config"].get("Labels") or {},
                facts=_texts(api, image["Id"], wanted) if wanted else {},
            )
        except RequestException:
            raise EngineGone("the Docker engine went away") from None
        finally:
            api.close()


def runnable(api: APIClient, image: ImagePlan) -> str:
    """The plan's image, by digest, as this engine can start it; pulled where the plan allows it.

    Raises:
        HilumError: as :meth:`DockerImages.resolve`.
    """
    found = _inspect(api, image.digest)
    if found is None:
        found = obtain(api, f"{_name(image.reference)}@{image.digest}", image.pull)
    identity: str = found["Id"]
    return identity


def obtain(api: APIClient, reference: str, pull: str) -> Mapping[str, Any]:
    """An image as the engine inspects it, pulled first where the policy says so."""
    from docker.errors import APIError

    found = None if pull == "always" and "@" not in reference else _inspect(api, reference)
    if found is None and pull != "never":
        parts = REFERENCE.fullmatch(reference)
        assert parts is not None
        try:
            api.pull(parts["name"], tag=parts["digest"] or parts["tag"] or "latest")
        except APIError as error:
            raise pull_error(reference, error) from None
        found = _inspect(api, reference)
    if found is None:
        raise missing_image(reference)
    return found


def _name(reference: str) -> str:
    """The repository that a reference names, without tag and digest."""
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise UsageError(
            f"{reference!r} is no image reference",
            reason="bad-image-reference",
            hint="write name:tag or name@sha256:..., in lower case",
        )
    return parts["name"]


def _inspect(api: APIClient, reference: str) -> Mapping[str, Any] | None:
    from docker.errors import NotFound

    try:
        found: Mapping[str, Any] = api.inspect_image(reference)  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    return found


def _digest(image: Mapping[str, Any], name: str) -> str:
    known = dict(each.split("@", 1) for each in image.get("RepoDigests") or [])
    digest: str = known.get(name) or image["Id"]
    return digest


def _texts(api: APIClient, image: str, wanted: Sequence[str]) -> dict[str, str]:
    """Files of an image, read through a container that is made and never started."""
    body = {"Image": image, "Cmd": ["none"]}
    container = api.create_container_from_config(body)["Id"]  # type: ignore[no-untyped-call]
    try:
        found = {path: _text(api, container, path) for path in wanted}
    finally:
        api.remove_container(container, v=True, force=True)
    return {path: text for path, text in found.items() if text is not None}


def _text(api: APIClient, container: str, path: str) -> str | None:
    """A small text file in a container; None where there is none. Links are followed within the container."""
    from docker.errors import NotFound

    where = path
    for _ in range(MOST_LINKS):
        try:
            pieces, stat = api.get_archive(container, where)
        except NotFound:
            return None
        if target := stat.get("linkTarget"):
            pieces.close()
            where = posixpath.join(posixpath.dirname(where), target)
            continue
        return _only_file(path, pieces, stat["size"])
    return None


def _only_file(path: str, pieces: Any, size: int) -> str | None:
    if size > LONGEST_TEXT:
        pieces.close()
        raise UsageError(
            f"{path} in the image is larger than {LONGEST_TEXT >> 20} MiB", reason="image-file-too-large"
        )
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        members = archive.getmembers()
        if len(members) != 1 or (stream := archive.extractfile(members[0])) is None:
            return None
        return stream.read().decode(errors="replace")
