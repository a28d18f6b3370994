"""Patterns and texts for properties: small ones over few characters, so that ambiguities come up often."""

from hypothesis import strategies as st

CLASSES = ["a", "b", "c", " ", "[ab]", "[^a]", "[^ ]", ".", r"\w", r"\s", "[a-c]", r"\S"]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}"]
PLACES = ["^", "$", r"\b", r"\A", r"\Z", r"\B", "(?m:^)", "(?m:$)"]


def _wider(inner):
    return st.one_of(
        st.builds("".join, st.lists(inner, min_size=1, max_size=4)),
        st.builds("(?:{}){}".format, inner, st.sampled_from(REPEATS)),
        st.builds("({})".format, inner),
        st.builds("(?:{}|{})".format, inner, inner),
    )


def patterns():
    repeated = st.builds("{}{}".format, st.sampled_from(CLASSES), st.sampled_from(["", *REPEATS]))
    middle = st.recursive(repeated | st.sampled_from(PLACES), _wider, max_leaves=8)
    return st.builds(
        "{}{}{}".format, st.sampled_from(["", "", "^"]), middle, st.sampled_from(["", "", "$", ".*", ".*$"])
    )


def texts(max_size=10):
    return st.text("abc \n", max_size=max_size)


def pumped(times):
    """A piece again and again between two others: what makes an ambiguous pattern slow."""
    piece = st.text("abc \n", min_size=1, max_size=4)
    return st.builds(lambda first, again, last: first + again * times + last, texts(4), piece, texts(3))
