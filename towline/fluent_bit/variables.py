"""`${VAR}` of Fluent Bit in the words of our configuration: who the pod is becomes a template, everything else stays `${VAR}`.

Room: fluent_bit. Never enters: what a value means.

The sidecar's environment is the pod's own; the aggregator's is another pod's. So `${POD_NAME}` in a filter cannot be
replaced from the environment where filters run, and becomes `{pod}`.
"""

import re
from collections.abc import Callable, Mapping

IDENTITY: Mapping[str, str] = {
    **dict.fromkeys(("HOSTNAME", "POD_NAME", "K8S_POD_NAME", "KUBERNETES_POD_NAME", "MY_POD_NAME"), "{pod}"),
    **dict.fromkeys(
        (
            "POD_NAMESPACE",
            "K8S_NAMESPACE",
            "K8S_POD_NAMESPACE",
            "KUBERNETES_NAMESPACE",
            "NAMESPACE",
            "MY_POD_NAMESPACE",
        ),
        "{namespace}",
    ),
    **dict.fromkeys(("POD_UID", "K8S_POD_UID", "KUBERNETES_POD_UID", "MY_POD_UID"), "{uid}"),
    **dict.fromkeys(("NODE_NAME", "K8S_NODE_NAME", "KUBERNETES_NODE_NAME", "HOST_NAME", "MY_NODE_NAME"), "{node}"),
    **dict.fromkeys(("POD_IP", "K8S_POD_IP", "KUBERNETES_POD_IP", "MY_POD_IP"), "{ip}"),
    **dict.fromkeys(("SERVICE_ACCOUNT", "POD_SERVICE_ACCOUNT", "MY_POD_SERVICE_ACCOUNT"), "{service_account}"),
}
# Of the pod, too, but nothing that a template knows: the aggregator's own value would be wrong without a word.
_NOT_KNOWN = frozenset(("HOST_IP", "K8S_HOST_IP", "MY_HOST_IP", "NODE_IP", "K8S_NODE_IP", "MY_NODE_IP", "POD_IPS"))
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_OUR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnsetError(ValueError):
    """A variable that decides what is converted has no value."""


class Variables:
    """What `@SET` and `env:` give, and the environment of whoever converts.

    `used`: names that the converted files still hold as `${NAME}`.
    """

    def __init__(self, given: Mapping[str, str], env: Mapping[str, str]) -> None:
        self._given, self._env = given, env
        self.used: set[str] = set()

    def now(self, text: str) -> str:
        """With every variable replaced: for what decides how the rest is converted. Raises UnsetError."""

        def value(name: str) -> str:
            found = self._given.get(name, self._env.get(name))
            if found is None:
                raise UnsetError(f"environment variable {name} is not set. Set it, or write its value here")
            return found

        return _replaced(text, value, str)

    def later(self, text: str) -> str:
        """As a value of our YAML: variables of the environment stay, to be replaced where the file is read. Raises UnsetError."""
        return _replaced(text, self._kept, _unexpanded)

    def template(self, text: str) -> str:
        """As a template of the pod's identity. Raises UnsetError."""

        def value(name: str) -> str:
            if name in self._given:
                return self._kept(name)
            if name in _NOT_KNOWN:
                raise UnsetError(
                    f"{name} is the pod's, and lines are changed in the aggregator, which does not know it. Take it out"
                )
            return IDENTITY.get(name) or self._kept(name)

        return _replaced(text, value, lambda literal: _unexpanded(literal.replace("{", "{{").replace("}", "}}")))

    def is_plain(self, text: str) -> bool:
        """Whether a value is written out: no variable of the environment is in it."""
        return all(match[1] in self._given for match in _VARIABLE.finditer(text))

    def only_variable(self, text: str) -> str:
        """The name of the variable that is the whole text, "" where there is more, or none."""
        match = _VARIABLE.fullmatch(text.strip())
        return match[1] if match and match[1] not in self._given else ""

    def _kept(self, name: str) -> str:
        if name in self._given:
            return _unexpanded(self._given[name])
        if not _OUR_NAME.fullmatch(name):
            return _unexpanded(self.now("${" + name + "}"))
        self.used.add(name)
        return "${" + name + "}"


def _replaced(text: str, value: Callable[[str], str], literal: Callable[[str], str]) -> str:
    made, at = [], 0
    for match in _VARIABLE.finditer(text):
        before, found = literal(text[at : match.start()]), value(match[1])
        if before.endswith("$") and found.startswith("{"):
            before += "$"  # our reader takes `$${` for `${`, whose brace is the template's
        if before.endswith("$") and found.startswith("${"):
            raise UnsetError(
                f"has a $ right before {found}, which our files take for a literal ${{. Put it into the variable"
            )
        made += [before, found]
        at = match.end()
    return "".join([*made, literal(text[at:])])


def _unexpanded(literal: str) -> str:
    """So that our own reader leaves it as it is."""
    return literal.replace("${", "$${")
