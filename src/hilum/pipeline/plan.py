"""A pipeline resolved: what exactly would run, in which order, under which identity, and how that differs from
last time. Pure: the same pipeline and the same code give the same plan on every machine.
"""

from __future__ import annotations

from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.digest import digest_json
from hilum.model.work import Retry, RunPlan, StepPlan
from hilum.pipeline.check import Resolved, resolve
from hilum.pipeline.document import Pipeline, Resources, StepSpec
from hilum.pipeline.graph import ordered, segments
from hilum.pipeline.problems import pipeline_error
from hilum.steps.registry import StepRegistry


def make_plan(pipeline: Pipeline, registry: StepRegistry, base: Path | None = None) -> RunPlan:
    """The plan of a pipeline.

    Args:
        base: folder from which relative ``uses`` start (that of the pipeline file); default the working folder.

    Raises:
        PipelineError: it has mistakes, all of which are named.
        UsageError: ``no-container-executor``: it has a step that runs an image.
    """
    return plan_resolved(pipeline, resolve(pipeline, registry, base))


def plan_resolved(pipeline: Pipeline, resolved: Resolved) -> RunPlan:
    """The plan of a pipeline that was looked up already; raises as :func:`make_plan`."""
    if resolved.problems:
        raise pipeline_error(resolved.problems, name=pipeline.name)
    if images := [name for name, spec in pipeline.steps.items() if spec.image]:
        raise UsageError(
            f"pipeline {pipeline.name}: step {images[0]!r} runs an image, and no executor here runs images",
            reason="no-container-executor",
            hint="give it a Python step with uses",
        )
    before = {name: (*spec.needs, *resolved.after[name]) for name, spec in pipeline.steps.items()}
    plans = {name: _step_plan(name, spec, resolved) for name, spec in pipeline.steps.items()}
    order = ordered(before)
    shares = {name: (plan.cpu, plan.memory) if plan.light else None for name, plan in plans.items()}
    return RunPlan(
        pipeline=pipeline.name,
        scope=pipeline.scope,
        spec=_spec_digest(pipeline, plans),
        steps=tuple(plans[name] for name in order),
        segments=tuple(segments({name: before[name] for name in order}, shares)),
        priority=pipeline.priority,
        max_running=pipeline.max_running,
    )


def _step_plan(name: str, spec: StepSpec, resolved: Resolved) -> StepPlan:
    step = resolved.steps[name]
    resources = spec.resources or Resources()
    return StepPlan(
        name=name,
        uses=step.reference,
        code=step.code,
        parameters=resolved.parameters[name],
        needs=spec.needs,
        condition=spec.condition.strip(),
        after=tuple(other for other in resolved.after[name] if other not in spec.needs),
        light=step.light,
        timeout=spec.timeout,
        memory=resources.memory,
        cpu=resources.cpu,
        retry=Retry(spec.retry.attempts, spec.retry.backoff),
    )


def _spec_digest(pipeline: Pipeline, plans: dict[str, StepPlan]) -> str:
    """Over what decides results; the order of steps in the file, limits and retries do not."""
    steps = {
        name: {
            "code": dict(plan.code),
            "parameters": dict(plan.parameters),
            "needs": sorted(plan.needs),
            "condition": plan.condition,
        }
        for name, plan in plans.items()
    }
    return digest_json({"scope": pipeline.scope.value, "steps": steps})


def explain(old: RunPlan | None, new: RunPlan) -> dict[str, tuple[str, ...]]:
    """Why each step of ``new`` would run again after ``old``: reason codes by step, in order.

    ``new``, ``stale-code``, ``stale-parameters``, ``stale-needs``, ``stale-condition``; ``stale-inputs`` where a step
    that it needs has a reason; else ``unchanged``.
    """
    before = {plan.name: plan for plan in old.steps} if old and old.scope == new.scope else {}
    reasons: dict[str, tuple[str, ...]] = {}
    for plan in new.steps:
        found = _differences(before.get(plan.name), plan)
        if any(reasons[need] != ("unchanged",) for need in (*plan.needs, *plan.after)) and found != ["new"]:
            found.append("stale-inputs")
        reasons[plan.name] = tuple(found) or ("unchanged",)
    return reasons


def _differences(old: StepPlan | None, new: StepPlan) -> list[str]:
    if old is None:
        return ["new"]
    compared = {
        "stale-code": dict(old.code) != dict(new.code),
        "stale-parameters": dict(old.parameters) != dict(new.parameters),
        "stale-needs": set(old.needs) != set(new.needs),
        "stale-condition": old.condition != new.condition,
    }
    return [reason for reason, differs in compared.items() if differs]
