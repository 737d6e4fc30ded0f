"""Quality checks of a series: geometry, consistency and pixels, as findings with codes."""

from hilum.steps.builtin.qc.step import QcParameters, qc

__all__ = ["QcParameters", "qc"]
