"""Steps: pure functions of inputs, code and parameters. One file a step; each sees only its context."""
