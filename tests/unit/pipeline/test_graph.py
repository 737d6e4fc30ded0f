"""Order, circles and company of steps, on graphs of any shape."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hilum.pipeline.graph import find_cycle, ordered, segments

Graph = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Steps that need only earlier ones, written down in any order."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 12)))]
    before = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else []
        for at, name in enumerate(names)
    }
    return {name: before[name] for name in draw(st.permutations(names))}


def companies(graph: Graph) -> st.SearchStrategy[dict[str, str | None]]:
    return st.fixed_dictionaries({name: st.sampled_from([None, "small", "large"]) for name in graph})


@given(graphs())
def test_every_step_comes_after_what_it_needs(graph: Graph) -> None:
    order = ordered(graph)
    assert sorted(order) == sorted(graph)
    assert all(order.index(need) < order.index(name) for name in graph for need in graph[name])
    assert find_cycle(graph) == []


def test_order_follows_the_file_where_needs_allow() -> None:
    assert ordered({"b": [], "a": [], "c": ["a"]}) == ["b", "a", "c"]
    assert ordered({"b": ["a"], "a": [], "c": []}) == ["a", "b", "c"]


@given(st.data())
def test_each_step_travels_once_and_after_the_segments_that_it_needs(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    shares = data.draw(companies(graph))
    made = segments(graph, shares)
    place = {name: index for index, segment in enumerate(made) for name in segment}
    assert sorted(name for segment in made for name in segment) == sorted(graph)
    for name, needs in graph.items():
        assert all(place[need] <= place[name] for need in needs)
    for segment in made:
        assert len({shares[name] for name in segment}) == 1
        assert len(segment) == 1 or shares[segment[0]] is not None
        inside = list(segment)
        assert all(
            inside.index(need) < inside.index(name)
            for name in segment
            for need in graph[name]
            if need in inside
        )


def test_light_steps_share_a_segment_around_heavy_ones() -> None:
    graph: Graph = {
        "qc": [],
        "preview": [],
        "model": ["qc"],
        "report": ["model", "preview"],
        "mail": ["report"],
    }
    shares = dict.fromkeys(graph, "small") | {"model": None}
    assert segments(graph, shares) == [("qc", "preview"), ("model",), ("report", "mail")]


def test_light_steps_with_other_resources_between_them_do_not_make_a_circle() -> None:
    graph: Graph = {"a": [], "b": ["a"], "c": ["b"]}
    assert segments(graph, {"a": "small", "b": "large", "c": "small"}) == [("a",), ("b",), ("c",)]


@given(graphs(), st.data())
def test_a_circle_is_found_and_is_one(graph: Graph, data: st.DataObject) -> None:
    order = ordered(graph)
    first, last = sorted(data.draw(st.lists(st.sampled_from(range(len(order))), min_size=2, max_size=2)))
    broken = {name: [*needs] for name, needs in graph.items()}
    for before, after in zip(order[first : last + 1], order[first + 1 : last + 1], strict=False):
        broken[after].append(before)
    broken[order[first]].append(order[last])
    circle = find_cycle(broken)
    assert circle[0] == circle[-1]
    assert all(need in broken[name] for name, need in pairwise(circle))
    assert len(set(circle)) == len(circle) - 1
