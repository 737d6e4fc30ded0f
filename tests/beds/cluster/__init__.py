"""A real Kubernetes node on this machine, for tests: built from the projects' own Go modules, started in
namespaces of its own, and taken down without a trace. It takes root and Linux, but no systemd, Docker or registry.

    python -m beds.cluster up       # prints where its kubeconfig is; stays until a line comes
    python -m beds.cluster check    # up, one pod, down, and nothing left behind
    python -m beds.cluster down     # removes what a killed one left
"""
