"""Who may do what in a project that deploy/terraform made, as a page, read from the configuration itself."""

from __future__ import annotations

import re
from pathlib import Path

from markdown import table
from terraform import Block, Module, expression, literal, modules

ROOT = Path(__file__).resolve().parent.parent / "deploy" / "terraform"
REASON = "Why:"
META = ("role", "member", "count", "for_each", "project", "location", "condition")


def grants(module: Module) -> list[Block]:
    """The resources of a module that give somebody a role."""
    return [block for block in module.of("resource") if block.labels[0].endswith("_iam_member")]


def page() -> str:
    """The table of roles."""
    found = [(module, grant) for module in modules(ROOT / "modules") for grant in grants(module)]
    rows = [
        (
            f"`{module.folder.name}`",
            _who(grant),
            f"`{literal(grant.body['role'])}`",
            _on(grant),
            grant.comment.removeprefix(REASON).strip(),
        )
        for module, grant in found
    ]
    return f"""# Who may do what on Google Cloud

Every role that [deploy/terraform](../../deploy/terraform/README.md) gives, as its files say it. A role is on the
smallest thing that Google allows it on; only what stands under "the project" has none. No role is a basic one, no
service account has a key, and nothing is given to everybody: tests hold all three. Pods of attempts have no identity;
see [decision 12](../adr/0012-credentials-of-attempts.md).

{table(("module", "who", "role", "on", "why"), rows)}"""


def _who(grant: Block) -> str:
    """Whom a grant names, in words."""
    member = grant.body["member"]
    each = str(grant.body.get("for_each", ""))
    text = str(expression(member) or literal(member) or member)
    named = re.search(r'var\.accounts\["(\w+)"\]', text)
    if named:
        return named[1]
    if "google_storage_project_service_account" in text:
        return "Cloud Storage's agent"
    if "local.pubsub" in text:
        return "Pub/Sub's agent"
    if "var.nodes" in text:
        return "nodes"
    if "var.pool" in text:
        return "the chart's Kubernetes service accounts"
    if "var.engine" in text:
        return "engine"
    if "local.agents" in each:
        return "agents of Google's services"
    return ", ".join(sorted(set(re.findall(r"var\.(\w+)", each)))) or text


def _on(grant: Block) -> str:
    """What the role is on."""
    kind = grant.labels[0].removeprefix("google_").removesuffix("_iam_member")
    if kind == "project":
        return "the project"
    thing = next((str(v) for name, v in grant.body.items() if name not in META and "google_" in str(v)), "")
    key = re.search(r'\["([\w-]+)"\]', thing)
    words = kind.replace("_", " ")
    return f"{words} `{key[1]}`" if key else words
