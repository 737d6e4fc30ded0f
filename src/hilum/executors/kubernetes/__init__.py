"""Attempts as pods of a Kubernetes cluster.

settings.py   what an installation decides
manifests.py  attempts to Jobs, in Kubernetes' own words
stage.py      the programs inside pods: before the step's image, after it, and
collect.py    in its place where the steps are Python; pod.py is what
work.py       they share
endings.py    how a pod's state reads as an attempt's end
feed.py       the watch on the cluster
executor.py   the book of what runs
"""
