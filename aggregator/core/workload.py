"""What a pod's own labels say of who made it: the labels that Kubernetes' controllers set, no API call.

Room: aggregator core. Never enters: vendors, sockets.
"""

import re
from typing import Literal, NamedTuple

from towline.wire.identity import Pod

OwnerKind = Literal["deployment", "replica_set", "stateful_set", "job", "cronjob"]

_CRON_SUFFIX = re.compile(r"-\d{8,}\Z")  # the CronJob controller names its jobs NAME-<minutes since 1970>
_JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_SET_LABELS = ("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index")


class Owner(NamedTuple):
    """One controller above the pod."""

    kind: OwnerKind
    name: str


def owners_of(pod: Pod) -> list[Owner]:
    """The controllers above the pod, nearest first. Empty for a bare pod, and for what the labels do not tell."""
    template_hash = pod.labels.get("pod-template-hash", "")
    if template_hash:
        head, found, _ = pod.name.rpartition(f"-{template_hash}-")
        name = head if found else pod.workload
        return [Owner("replica_set", f"{name}-{template_hash}"), Owner("deployment", name)] if name else []
    if any(label in pod.labels for label in _SET_LABELS):
        return [Owner("stateful_set", pod.workload)] if pod.workload else []
    job = next((pod.labels[label] for label in _JOB_LABELS if pod.labels.get(label)), "")
    if not job:
        return []
    cron = _CRON_SUFFIX.sub("", job)
    return [Owner("job", job)] + ([Owner("cronjob", cron)] if cron != job else [])
