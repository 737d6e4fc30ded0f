"""A tree in text: a node is its line and its children."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Node:
    """A line with what hangs below it."""

    line: str
    children: list[Node] = field(default_factory=list)

    def add(self, line: str) -> Node:
        """A new last child."""
        child = Node(line)
        self.children.append(child)
        return child

    def lines(self) -> Iterator[str]:
        """The tree from here on, a line each."""
        yield self.line
        for child in self.children:
            first, others = ("└── ", "    ") if child is self.children[-1] else ("├── ", "│   ")
            for number, line in enumerate(child.lines()):
                yield (others if number else first) + line
