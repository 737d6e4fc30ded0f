"""Rules for who may do what: each role with its reason, none of the basic roles, nobody who is anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google_access import REASON, grants

from terraform import Module, literal

BASIC = {"roles/owner", "roles/editor", "roles/viewer"}
ANYBODY = {"allUsers", "allAuthenticatedUsers"}
WHOLE = ("_iam_policy", "_iam_binding")


def faults(modules: Sequence[Module]) -> list[str]:
    """What of the roles given does not follow the rules."""
    return [said for module in modules for said in _of(module)]


def _of(module: Module) -> Iterator[str]:
    for block in module.of("resource"):
        if block.labels[0].endswith(WHOLE):
            yield f"{block.place}: takes away what others were given; use *_iam_member"
    for block in grants(module):
        role = literal(block.body.get("role"))
        if not block.comment.startswith(REASON):
            yield f"{block.place}: no comment says why ({REASON} ...)"
        if role is None:
            yield f"{block.place}: its role is no literal, so nobody can read it here"
        elif role in BASIC or role.endswith(("admin", "Admin")):
            yield f"{block.place}: {role} is more than any program needs"
        if literal(block.body.get("member")) in ANYBODY:
            yield f"{block.place}: gives {role} to anybody"
