"""A text is read the same, whether texts of its shape were read before or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.promtext import Budget, TextReader
from aggregator.core.relabel import LabelTexts
from aggregator.core.text_memory import EndpointTexts, TextMemory
from aggregator.core.text_shapes import said_by, shape_of

HISTOGRAM = """\
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{path="/a",le="0.1"} 1
took_seconds_bucket{path="/a",le="+Inf"} 2
took_seconds_sum{path="/a"} 0.5
took_seconds_count{path="/a"} 2
"""
TEXT = HISTOGRAM + '# TYPE a counter\na{x="1"} 1\na{x="2"} 2.5\n# TYPE b gauge\nb NaN\nc{pod="me",y="a b"} 1e+06\n'
READINGS = 9  # a shape is learned within these


def read(text, texts=None, rows=1000, odd_lines=1000, *, openmetrics=False):
    """What is said, and what is left of the budget."""
    budget = Budget(rows, odd_lines)
    said = (texts or EndpointTexts({"job": "app"})).read(text, budget, openmetrics=openmetrics)
    return said.families, said.samples, +said.refused, budget


def learned(*before, openmetrics=False):
    texts = EndpointTexts({"job": "app"})
    for text in before:
        for _ in range(READINGS):
            read(text, texts, openmetrics=openmetrics)
    return texts


def by_shape(known, text):
    """What the shape of `known` says of a text, None where it does not know it."""
    labels = LabelTexts({"job": "app"})
    shape = shape_of(known.split("\n"), labels, openmetrics=False)
    return shape.read(text.split("\n"), len(text) - text.count("\n"), Budget(1000, 1000)) if shape else None


def by_reader(text):
    reader = TextReader(LabelTexts({"job": "app"}), Budget(1000, 1000), openmetrics=False)
    reader.read(text)
    return said_by(reader)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.5", "3"),
        ("2.5", "-1"),
        ("2.5", "NaN"),
        ("2.5", "1.0E7"),
        ("2.5", "3 1700000000"),
        ("2.5", '3 # {trace="x"} 0.5 1'),
        ("2.5", "3 "),
        ('"/a"} 2', '"/a"} 3'),
        ('le="0.1"} 1', 'le="0.1"} 9'),
        ('le="0.1"} 1', 'le="0.1"} 1.0'),
        ("0.5", "-0.5"),
    ],
)
def test_a_text_of_a_known_shape_is_read_by_its_values_alone_as_it_is_read_whole(old, new):
    text = TEXT.replace(old, new)
    assert text != TEXT
    assert by_shape(TEXT, text) == by_reader(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.5", "x"),
        ("2.5", ""),
        ("2.5", "1e999"),
        ("2.5", "3 4 5"),
        ("2.5", "9" * 41),
        ("b NaN", "5"),
        ("b NaN", "b5"),
        ("b NaN", "bb 5"),
        ("# TYPE b gauge", "# TYPE b counter"),
        ("# TYPE b gauge", "# TYPE b gauge1"),
        ('{x="2"} 2.5', '{x="3"} 2.5'),
        ("a{x", "\na{x"),
        ("How long.", "How long.1"),
        ("gauge\nb NaN", "gauge5\nb "),
    ],
)
def test_a_text_that_differs_in_more_than_numbers_is_read_whole(old, new):
    text = TEXT.replace(old, new, 1)
    assert by_shape(TEXT, text) is None
    assert read(text, learned(TEXT)) == read(text)


def test_samples_that_are_refused_or_go_nowhere_have_a_place_in_the_shape():
    text = "# TYPE a counter\na_created 1\na 1\na_created 2\nnot a sample\n# TYPE a gauge\na 3\n"
    assert by_shape(text, text.replace("a 3", "a 4")) == by_reader(text)


@pytest.mark.parametrize("text", ["", "a 1\n", "a  1\nb  2\n", 'a {x="1"} 1\nb 2\n', '{"a.b"} 1\nb 2\n', "a\t1\nb 2\n"])
def test_a_text_that_is_written_unusually_has_no_shape(text):
    assert by_shape(text, text) is None


def test_the_first_line_that_is_beyond_the_budget_is_so_with_a_shape_too():
    for rows in range(4, 16):
        for odd_lines in range(1, 8):
            assert read(TEXT, learned(TEXT), rows, odd_lines) == read(TEXT, None, rows, odd_lines)


def test_pods_of_one_workload_whose_texts_have_as_many_lines_do_not_push_each_other_out():
    texts = EndpointTexts({})
    kinds = [TEXT.replace("/a", path) for path in ("/b", "/c")]
    for text in kinds * 2 * READINGS:
        read(text, texts)
    assert all(read(text, texts) == read(text, EndpointTexts({})) for text in kinds)
    assert texts.chars < 100 * len(TEXT)


def test_what_is_remembered_stays_bounded_whatever_is_read():
    texts = EndpointTexts({})
    sizes = []
    for number in range(200):
        for _ in range(2):
            read(TEXT.replace("/a", f"/{number:09}"), texts)
        sizes.append(texts.chars - texts.labels.chars)
    assert max(sizes) <= 256 + 4 * (len(TEXT) + 9 * 4 + 128 * (TEXT.count("\n") + 1))


def test_a_memory_that_is_full_forgets_and_learns_again():
    memory = TextMemory()
    for number in range(40):
        texts = memory.texts({"job": str(number)})
        read("".join(f'a{{n="{number}-{one}",pad="{"x" * 3000}"}} 1\n' for one in range(200)), texts, 10_000)
        memory.note(texts)
    assert memory.texts({"job": "0"}).chars == 0
    assert memory.texts({"job": "39"}).chars > 0


WORDS = """a b_total h_bucket h_sum h_count a_created { } {x="1"} {le="1"} {le="+Inf"} {x="1",le="1"} {x="a b"} "u.x" é # # TYPE # HELP
 counter histogram gauge summary 1 2.50 -1 NaN +Inf 1e999 5_0 .5 1.0E7 ٣ # {t="x"} 1 \x0b \x85 , 17 9999999999999999999"""
values = st.sampled_from(
    ["1", "2", "2.50", "-1", "NaN", "1.0E7", "x", "", "1 5", '1 # {t="x"} 1', "1\t", "\t1", "9" * 50, "٣"]
)
heads = st.sampled_from(
    [
        "a",
        "a_created",
        "b_total",
        'a{x="1"}',
        'a{x="2"}',
        'a{x="a b"}',
        'h_bucket{le="1"}',
        'h_bucket{le="+Inf"}',
        "h_sum",
        "h_count",
        'a {x="1"}',
        "a ",
        "a\t",
        '{"a.b"}',
        'a{x="\\n"}',
    ]
)
fixed = st.sampled_from(
    [
        "# TYPE a counter",
        "# TYPE h histogram",
        "# TYPE a gauge",
        "# HELP a x",
        "# TYPE a summary",
        "",
        " ",
        "a",
        "# EOF",
        "a b c",
    ]
)
lines = st.lists(st.tuples(heads, st.just(" ")) | st.tuples(fixed, st.just("")), max_size=12)
garbage = st.lists(st.sampled_from([*WORDS.split(" "), " ", "\n", "\r", "\r\n", "# TYPE "]), max_size=40).map("".join)


@st.composite
def texts_of_one_shape(draw):
    shape = draw(lines)
    ends = draw(st.sampled_from(["\n", "\r\n"]))

    def one():
        return "".join(f"{head}{gap}{draw(values) if gap else ''}{ends}" for head, gap in shape)

    return [one() for _ in range(3)]


@given(texts_of_one_shape(), st.lists(garbage, max_size=2), st.booleans(), st.integers(1, 20))
def test_no_sequence_of_texts_changes_what_the_next_one_says(similar, other, openmetrics, rows):
    texts = learned(similar[0], *other[:1], openmetrics=openmetrics)
    for text in [*similar, *other, similar[0]]:
        assert read(text, texts, rows, rows, openmetrics=openmetrics) == read(
            text, None, rows, rows, openmetrics=openmetrics
        )


@given(garbage, values, values)
def test_a_shape_says_of_a_text_what_a_reader_says_or_nothing(known, before, after):
    text = known.replace(before, after) if before else known
    said = by_shape(known, text)
    assert said is None or said == by_reader(text)
