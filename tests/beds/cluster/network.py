"""The cluster's network: the namespace's own, joined to this machine by one pair of virtual devices.

Pods get addresses of the bridge plugin inside it. So servers that tests start on this machine can be reached from
pods, the API can be reached from tests, and nothing of the machine's own network changes: with the namespace the
pair goes, and with the pair its route. There is no way out to any other network, so nothing waits for one.
"""

from __future__ import annotations

import json
import subprocess

from beds.cluster import places
from beds.cluster.namespace import Namespace

BRIDGE = {
    "cniVersion": "0.4.0",
    "name": places.NAME,
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": places.PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


def join(namespace: Namespace) -> None:
    """Give the node its address and pods their network."""
    peer = ["peer", "name", "node0", "netns", str(namespace.first)]
    for command in (
        ["link", "add", places.VETH, "type", "veth", *peer],
        ["addr", "add", f"{places.MACHINE}/30", "dev", places.VETH],
        ["link", "set", places.VETH, "up"],
    ):
        subprocess.run(["ip", *command], check=True)
    namespace.run("ip", "addr", "add", f"{places.NODE}/30", "dev", "node0")
    namespace.run("ip", "link", "set", "node0", "up")
    namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    subprocess.run(["ip", "route", "add", places.PODS, "via", places.NODE], check=True)
    (places.CNI / "net.d").mkdir(parents=True)
    (places.CNI / "net.d" / "10-pods.conflist").write_text(json.dumps(BRIDGE))
