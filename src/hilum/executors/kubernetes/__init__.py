"""Attempts as pods of a Kubernetes cluster.

settings.py     what an installation decides
manifests.py    attempts to Jobs, in Kubernetes' own words
waiting.py      what has no Job yet
jobs.py         what is asked of the API server, by client.py
credentials.py  what an attempt's own containers may do with storage
stage.py        the programs inside pods: before the step's image, after it,
collect.py      in its place where the steps are Python, and for many
work.py         attempts of that kind in one pod;
shard.py        pod.py is what they share
endings.py      how a pod's state reads as an attempt's end, and
shards.py       how the reports of those that shared one do
feed.py         the watch on the cluster, which tells of seen.py, and
output.py       what containers print, by streams.py
book.py         what runs
executor.py     and what becomes of it
dry_run.py      what the cluster would refuse
"""
