"""The audit: who decided or released what, and when. A row of the warehouse, a line of the log ``hilum.audit``."""

from hilum.audit.events import ACTIONS, Actor, Audited, Witness, audit, nobody, person

__all__ = ["ACTIONS", "Actor", "Audited", "Witness", "audit", "nobody", "person"]
