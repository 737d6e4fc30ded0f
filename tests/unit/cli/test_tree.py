from hilum.cli.tree import Node


def test_a_tree_is_drawn_with_its_branches():
    root = Node("result")
    step = root.add("step")
    step.add("first")
    step.add("second").add("below")
    root.add("used by")
    assert list(root.lines()) == [
        "result",
        "├── step",
        "│   ├── first",
        "│   └── second",
        "│       └── below",
        "└── used by",
    ]
