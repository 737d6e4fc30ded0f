"""A pipeline resolved: what exactly would run, in which order, under which identity, and how that differs from
last time. Pure: the same pipeline and the same code give the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.digest import digest_json
from hilum.model.image import ImagePlan, ImageResolver
from hilum.model.subject import Scope
from hilum.model.work import Retry, RunPlan, StepPlan
from hilum.pipeline.check import Resolved, resolve
from hilum.pipeline.document import Pipeline, Resources, StepSpec
from hilum.pipeline.graph import ordered, segments
from hilum.pipeline.images import code_of, image_plan, image_problems
from hilum.pipeline.problems import pipeline_error
from hilum.steps.contracts import contract_of
from hilum.steps.registry import StepRegistry


def make_plan(
    pipeline: Pipeline, registry: StepRegistry, base: Path | None = None, images: ImageResolver | None = None
) -> RunPlan:
    """The plan of a pipeline.

    Args:
        base: folder from which relative ``uses`` start (that of the pipeline file); default the working folder.
        images: who knows images; None where nothing here runs any.

    Raises:
        PipelineError: it has mistakes, all of which are named.
        UsageError: ``no-container-executor``: it has a step that runs an image.
    """
    return plan_resolved(pipeline, resolve(pipeline, registry, base), base, images)


def plan_resolved(
    pipeline: Pipeline, resolved: Resolved, base: Path | None = None, images: ImageResolver | None = None
) -> RunPlan:
    """The plan of a pipeline that was looked up already; raises as :func:`make_plan`."""
    if resolved.problems:
        raise pipeline_error(resolved.problems, name=pipeline.name)
    before = {name: (*spec.needs, *resolved.after[name]) for name, spec in pipeline.steps.items()}
    plans = {}
    for name, spec in pipeline.steps.items():
        if spec.image and images is None:
            raise UsageError(
                f"pipeline {pipeline.name}: step {name!r} runs an image, and nothing here runs images",
                reason="no-container-executor",
                hint="start Docker, or name a cluster (see docs/how-to/containers.md)",
            )
        image = image_plan(spec, images, base) if images and spec.image else None
        needs = {need: resolved.outputs(need) for need in spec.needs}
        if image and (problems := list(image_problems(name, spec, pipeline.scope, needs, image))):
            raise pipeline_error(problems, name=pipeline.name)
        plans[name] = _step_plan(name, spec, resolved, image)
    order = ordered(before)
    shares = {name: (plan.cpu, plan.memory) if plan.light else None for name, plan in plans.items()}
    return RunPlan(
        pipeline=pipeline.name,
        scope=pipeline.scope,
        spec=_spec_digest(pipeline.scope, plans),
        steps=tuple(plans[name] for name in order),
        segments=tuple(segments({name: before[name] for name in order}, shares)),
        priority=pipeline.priority,
        max_running=pipeline.max_running,
    )


def looked_up_again(plan: RunPlan, images: ImageResolver) -> RunPlan:
    """The plan with what its images' tags mean now; the same where nothing moved. Raises as the resolver does."""
    steps = {step.name: step for step in plan.steps}
    for step in plan.steps:
        if step.image and "@" not in step.image.reference:
            wanted = contract_of(step.image.contract).wanted
            found = images.resolve(step.image.reference, step.image.pull, wanted)
            image = replace(step.image, digest=found.digest, facts=found.facts)
            steps[step.name] = replace(step, image=image, code=code_of(image))
    if all(steps[step.name] == step for step in plan.steps):
        return plan
    return replace(plan, steps=tuple(steps.values()), spec=_spec_digest(plan.scope, steps))


def _step_plan(name: str, spec: StepSpec, resolved: Resolved, image: ImagePlan | None) -> StepPlan:
    resources = spec.resources or Resources()
    step = resolved.steps.get(name)
    return StepPlan(
        name=name,
        uses=step.reference if step else "",
        code=step.code if step else code_of(image) if image else {},
        parameters=resolved.parameters[name],
        needs=spec.needs,
        condition=spec.condition.strip(),
        after=tuple(other for other in resolved.after[name] if other not in spec.needs),
        light=step is not None and step.light,
        timeout=spec.timeout,
        memory=resources.memory,
        cpu=resources.cpu,
        retry=Retry(spec.retry.attempts, spec.retry.backoff),
        image=image,
    )


def _spec_digest(scope: Scope, plans: Mapping[str, StepPlan]) -> str:
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
    return digest_json({"scope": scope.value, "steps": steps})


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
