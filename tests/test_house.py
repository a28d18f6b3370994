"""What ruff does not count: files end before they need a map, functions fit one screen."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES, FUNCTION_LINES = 300, 40
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for room in ("towline", "collector", "aggregator", "tests")
    for path in sorted((ROOT / room).rglob("*.py"))
}


def test_no_file_is_longer_than_what_one_reader_keeps_in_mind():
    lengths = {name: text.count("\n") for name, text in FILES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def functions(text):
    """Name and length of every function, decorators left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_no_function_is_longer_than_a_screen():
    lengths = {f"{name}: {function}": lines for name, text in FILES.items() for function, lines in functions(text)}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_the_counting_itself_counts():
    assert len(FILES) > 200
    assert dict(functions("@wraps\ndef a():\n    x = 1\n    return x\n\nclass B:\n    async def c(self): ...\n")) == {
        "a": 3,
        "c": 1,
    }
