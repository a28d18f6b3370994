"""A series' tags: the pod's, which make it the pod's own, and then its labels.

Room: aggregator sinks, pure. Never enters: values, times. Two pods whose series have the same tags would overwrite each other at Datadog, so
`pod_name`, `kube_namespace` (and the cluster, where it is known) are ours alone to say: an app's labels of these names are left out.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from aggregator.core.relabel import pairs_of
from aggregator.sinks.datadog.tags import clean_tag, tags_of
from towline.wire.identity import Origin, Pod

OURS = frozenset({"pod_name", "kube_namespace", "kube_cluster_name"})
_NO_FILE = Origin(path="")
_OF_POD_METRICS = {
    "scope": "",
    "container": "kube_container_name",
}  # names as the Agent's tagger has them; "" goes nowhere


class SeriesTags:
    """Tags of one pod's series as they stand between the brackets of a JSON array. Texts are remembered: families share them."""

    def __init__(self, pod: Pod, static: Sequence[str]) -> None:
        self._first = list(dict.fromkeys([*tags_of(pod, _NO_FILE), *map(clean_tag, filter(None, static))]))
        self._first_json = orjson.dumps(self._first)[1:-1]
        self._texts: dict[str, bytes] = {}
        self._said: dict[str, bytes] = {}
        self._pairs: dict[tuple[str, str], bytes] = {}

    def of_labels(self, labels: str) -> bytes:
        """Of a label text as in Row."""
        known = self._texts.get(labels)
        if known is None:
            known = self._texts[labels] = self.of_pairs(pairs_of(labels))
        return known

    def of_pairs(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        """Of labels that are already read."""
        known = self._pairs
        own = [known[pair] if pair in known else self._learn(pair) for pair in pairs]
        return b",".join(dict.fromkeys(filter(None, (self._first_json, *own))))

    def of_pod_metric(self, labels: Mapping[str, str], without: Iterable[str]) -> bytes:
        """Of what the pod measures of itself, in the Agent's words."""
        return self.of_pairs(
            (_OF_POD_METRICS.get(name, name), value) for name, value in labels.items() if name not in without
        )

    def of_said(self, tags: Mapping[str, str], key: str = "") -> bytes:
        """Of DogStatsD's tags, as the app said them: some have no value, and one that was there twice holds both with a comma between.

        key: what tells the set from others (raw_tags.py); without it nothing is remembered.
        """
        known = self._said.get(key)
        if known is None:
            known = self.of_pairs((name, part) for name, value in sorted(tags.items()) for part in value.split(","))
            if key:
                self._said[key] = known
        return known

    def of_tags(self, tags: Iterable[str]) -> list[str]:
        """Of an event's or a check's own tags."""
        own = [clean_tag(tag) for tag in tags if tag and tag.partition(":")[0] not in OURS]
        return list(dict.fromkeys([*self._first, *own]))

    def _learn(self, pair: tuple[str, str]) -> bytes:
        """A label as a tag; nothing where it is not the series' to say, or the pod says it too."""
        name, value = pair
        tag = clean_tag(f"{name}:{value}" if value else name)
        is_tag = name and name not in OURS and tag not in self._first
        encoded = self._pairs[pair] = orjson.dumps(tag) if is_tag else b""
        return encoded
