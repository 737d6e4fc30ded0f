import re

import pytest

from hilum.kernel.trace import Sampling, arrival_trace, run_trace, sampling, span_id, step_span, traceparent

RUN = "r-0123456789abcdef"


def test_ids_have_the_lengths_of_w3c_trace_context_and_follow_from_content():
    assert re.fullmatch("[0-9a-f]{32}", run_trace(RUN))
    assert re.fullmatch("[0-9a-f]{16}", span_id("run", RUN))
    assert run_trace(RUN) == run_trace(RUN) != run_trace("r-0123456789abcdee")
    assert arrival_trace("file:///a", "1") != arrival_trace("file:///a", "2")


def test_parts_do_not_run_into_each_other():
    assert span_id("step", "ab", "c") != span_id("step", "a", "bc")


def test_a_step_is_told_its_own_span_as_the_parent_of_what_it_starts():
    trace, attempt = run_trace(RUN), f"{RUN}.0.1"
    header = traceparent(trace, attempt, "qc")
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", header)
    assert header == f"00-{trace}-{step_span(attempt, 'qc')}-01"
    assert traceparent("", attempt, "qc") == ""


@pytest.mark.parametrize(
    ("telemetry", "environment", "share"),
    [
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, None),
        ("otlp", {}, 1.0),
        ("otlp", {"OTEL_SDK_DISABLED": "true"}, None),
        ("otlp", {"OTEL_TRACES_EXPORTER": "none"}, None),
        ("otlp", {"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, None),
        ("otlp", {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, 0.1),
        ("otlp", {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "much"}, 1.0),
        ("google", {}, None),
        ("google", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, 1.0),
    ],
)
def test_opentelemetrys_own_variables_say_which_traces_are_told(telemetry, environment, share):
    found = sampling(telemetry, environment)
    assert (found and found.share) == share


def test_a_share_keeps_the_traces_that_opentelemetrys_sampler_keeps():
    from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

    traces = [run_trace(f"r-{number:016x}") for number in range(500)]
    theirs = TraceIdRatioBased(0.2)
    kept = [
        each
        for each in traces
        if theirs.should_sample(None, int(each, 16), "run").decision is Decision.RECORD_AND_SAMPLE
    ]
    assert [each for each in traces if Sampling(0.2).keeps(each)] == kept
    assert 0 < len(kept) < 500
