"""The filter `modify`: rules in their order, under conditions that are asked once, before the first of them.

Room: fluent_bit. Never enters: other filters. Source: Fluent Bit's manual, "Modify".
"""

import re
from collections.abc import Callable, Mapping, Sequence

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.keys import Keys, words
from towline.fluent_bit.model import Property

MARK = "towline_condition_met"  # stands for conditions that a rule of the same filter could change; removed in the end
_RULES = frozenset(
    ("set", "add", "remove", "remove_wildcard", "remove_regex", "rename", "hard_rename", "copy", "hard_copy")
)
_PLAIN = re.compile(r"[A-Za-z0-9_\- ]|\\[._\-/]|\.\*")


def modify(keys: Keys, context: Context) -> list[Rule]:
    """Our rules. What cannot be said in them is reported as refused."""
    conditions: list[Rule] = []
    for one in keys.all("condition"):
        try:
            conditions.append(_condition(one, context))
        except ValueError as error:
            keys.say(one, "refused", str(error))
            continue
        keys.say(one, "mapped", "`when` of the filter's rules")
    rules: list[Rule] = []
    for one in keys.section.properties:
        if one.key in _RULES:
            try:
                rules += _rule(keys, one, context)
            except ValueError as error:
                keys.say(one, "refused", str(error))
    keys.ignore(dict.fromkeys(("move_to_start", "move_to_end"), "the order of fields means nothing to destinations"))
    return _under(conditions, rules)


def _under(conditions: Sequence[Rule], rules: Sequence[Rule]) -> list[Rule]:
    """The rules, made only where all conditions hold."""
    if not conditions or not rules:
        return list(rules)
    condition: Rule = conditions[0] if len(conditions) == 1 else {"all": list(conditions)}
    if len(rules) == 1:
        return [_when(rules[0], condition)]
    met: Rule = {"field": MARK, "exists": True}
    return [
        {"set": {MARK: "yes"}, "when": condition},
        *(_when(rule, met) for rule in rules),
        {"remove": [MARK]},
    ]


def _when(rule: Rule, condition: Rule) -> Rule:
    own = rule.get("when")
    return {**rule, "when": condition if own is None else {"all": [condition, own]}}


def _rule(keys: Keys, one: Property, context: Context) -> list[Rule]:
    """Raises ValueError, which says what is wrong and what to do."""
    name, value = [*words(one.value, 2), "", ""][:2]
    ours = context.field(name)
    if not name or not (value or one.key.startswith(("remove", "set", "add"))):
        raise ValueError("names too few fields. Write the field, and what it becomes")
    if one.key in {"set", "add"}:
        keys.say(one, "mapped", f"a rule `{one.key}`")
        return [{one.key: {ours: keys.variables.template(value)}}]
    if one.key.startswith("remove"):
        keys.say(one, "mapped", "a rule `remove`")
        globs = {"remove": ours, "remove_wildcard": f"{name.rstrip('*')}*", "remove_regex": ""}[one.key]
        return [{"remove": [globs or glob_of(name)]}]
    kind = one.key.removeprefix("hard_")
    keys.say(one, "mapped", f"a rule `{kind}`")
    rule: Rule = {kind: {ours: value}}
    if not one.key.startswith("hard_"):
        rule["when"] = {"not": {"field": value, "exists": True}}
    return [rule]


def glob_of(pattern: str) -> str:
    """A regular expression for names as a glob. Raises ValueError where it is none."""
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    body = pattern[begins : len(pattern) - ends]
    if _PLAIN.sub("", body):
        raise ValueError("Towline removes fields by names and globs. Write ^name, name$ or a name")
    plain = body.replace(".*", "*").replace("\\", "")
    return re.sub(r"\*+", "*", f"{'' if begins else '*'}{plain}{'' if ends else '*'}")


def _condition(one: Property, context: Context) -> Rule:
    """Raises ValueError, which says what is wrong and what to do."""
    kind, name, value = [*words(one.value, 3), "", "", ""][:3]
    make = _CONDITIONS.get(kind.lower())
    if make is None:
        raise ValueError(f"Towline has no condition {kind}. Use one of: {', '.join(_CONDITIONS)}")
    return make(context.asked_field(name), value, context)


def _exists(name: str, value: str, context: Context) -> Rule:
    del value, context
    return {"field": name, "exists": True}


def _absent(name: str, value: str, context: Context) -> Rule:
    return {"not": _exists(name, value, context)}


def _equals(name: str, value: str, context: Context) -> Rule:
    return {"field": name, "equals": context.variables.later(value)}


def _differs(name: str, value: str, context: Context) -> Rule:
    return {"all": [_exists(name, value, context), {"not": _equals(name, value, context)}]}


def _matches(name: str, value: str, context: Context) -> Rule:
    return {"field": name, "matches": context.pattern(value)}


def _fails(name: str, value: str, context: Context) -> Rule:
    return {"all": [_exists(name, value, context), {"not": _matches(name, value, context)}]}


_CONDITIONS: Mapping[str, Callable[[str, str, Context], Rule]] = {
    "key_exists": _exists,
    "key_does_not_exist": _absent,
    "key_value_equals": _equals,
    "key_value_does_not_equal": _differs,
    "key_value_matches": _matches,
    "key_value_does_not_match": _fails,
}
