"""CEL, the Common Expression Language, as Hilum uses it: the one module that knows the package behind it (why that
one: docs/adr/0001-cel-package.md).

Three things are added to the package. Only names that an expression uses are declared, since declaring the whole
DICOM dictionary costs more than everything else. Integers and decimals may be compared with each other, as CEL
allows but this package does not offer as a switch, so that ``SliceThickness > 5`` means what it says. And the
checker's words become ours, with what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hilum.errors import UsageError
from hilum.kernel.nearest import did_you_mean

if TYPE_CHECKING:
    from cel_expr_python import cel

Kind = Literal["string", "int", "double", "bool", "list(string)", "list(int)", "list(double)", "dyn"]

_ESCAPED = r"""[bB]?(?:"{3}(?:\\.|[^\\])*?"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_RAW = r"""(?:[rR][bB]?|[bB][rR])(?:"{3}.*?"{3}|'{3}.*?'{3}|"[^"]*"|'[^']*')"""
TOKEN = re.compile(
    rf"""(?P<text>{_RAW}|{_ESCAPED})
    | (?P<comment>//[^\n]*)
    | (?P<number>0x[0-9a-fA-F]+u?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?u?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<other>&&|\|\||[=!<>]=|\S)""",
    re.VERBOSE | re.DOTALL,
)
_RESERVED = "true false null in int uint double bool string bytes list map type null_type dyn"
_MACROS = "all exists exists_one filter map"
_FUNCTIONS = "has size contains startsWith endsWith matches int uint double string bool type dyn"
RESERVED = frozenset(_RESERVED.split())
MACROS = frozenset(_MACROS.split())
FUNCTIONS = MACROS | frozenset(_FUNCTIONS.split())
WORDS_FOR = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "AND": "&&",
    "OR": "||",
    "NOT": "!",
    "True": "true",
    "False": "false",
}
COMPARED = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}


class ExpressionError(UsageError):
    """An expression that cannot be meant so; the message is one line that quotes only the expression itself."""

    reason = "bad-expression"


class Name(NamedTuple):
    """A variable as an expression writes it: ``Modality`` or ``qc.slices_missing``; ``asked`` inside ``has(...)``."""

    path: str
    asked: bool
    start: int
    end: int


def names(text: str) -> Iterator[Name]:
    """The variables of an expression, in order: no functions, no macros' own variables, nothing inside quotes.

    Raises:
        ExpressionError: a quote is not closed.
    """
    tokens = [match for match in TOKEN.finditer(text) if match.lastgroup != "comment"]
    words = [match.group() for match in tokens] + [""] * 4
    bound = {
        words[at + 2]
        for at, word in enumerate(words[:-4])
        if word in MACROS and at and words[at - 1] == "." and words[at + 1] == "(" and words[at + 3] == ","
    }
    for at, match in enumerate(tokens):
        word = words[at]
        if word in ("'", '"'):
            raise ExpressionError("a quote is not closed")
        if match.lastgroup != "name" or word in RESERVED or word in WORDS_FOR or word in bound:
            continue
        if words[at + 1] == "(" or (at and words[at - 1] == "."):
            continue
        last = at
        if words[at + 1] == "." and words[at + 3] != "(":
            last = at + 2
        asked = at >= 2 and words[at - 2 : at] == ["has", "("] and words[last + 1] == ")"
        start = tokens[at - 2].start() if asked else match.start()
        end = tokens[last + (1 if asked else 0)].end()
        yield Name("".join(words[at : last + 1]), asked, start, end)


class Program:
    """A compiled expression that gives true or false."""

    def __init__(self, text: str, kinds: Mapping[str, Kind]) -> None:
        """Check and compile.

        Args:
            text: the expression. kinds: what each variable in it holds, by the name it is written with.

        Raises:
            ExpressionError: it is no CEL, its types do not fit, or its result is neither true nor false.
        """
        from cel_expr_python import cel

        self.kinds = kinds
        source = text
        for name in names(text):
            if (
                name.asked
            ):  # has(X) is CEL's for fields only: a variable of the same width, so that columns stay
                source = source[: name.start] + _asked(name).ljust(name.end - name.start) + source[name.end :]
        declared = {name: _type(kind) for name, kind in kinds.items()}
        declared.update({f"has_{name}": cel.Type.BOOL for name in kinds})
        try:
            self._expression = cel.NewEnv(config=_config(), variables=declared).compile(source)
        except RuntimeError as error:
            raise _explained(str(error), source) from None
        if self._expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            raise ExpressionError(
                f"{text.strip()!r} gives {_word(self._expression.return_type().name())}, not true or false",
                hint="compare it with something",
            )
        found = self._expression.eval(data={name: _blank(kind) for name, kind in kinds.items()}).value()
        if isinstance(found, str) and "invalid regular expression" in found:
            raise ExpressionError(found.partition(": ")[2], hint="RE2 syntax")

    def true(self, values: Mapping[str, Any], blanks: Mapping[str, Any] | None = None) -> bool:
        """Whether it is true of ``values``; where it needs one that is neither there nor in ``blanks``, it is not."""
        asked = {f"has_{name}": name in values for name in self.kinds}
        return self._expression.eval(data={**(blanks or {}), **values, **asked}).value() is True


def _asked(name: Name) -> str:
    return f"has_{name.path}"


@cache
def _config() -> cel.EnvConfig:
    """The standard library with comparisons declared anew: those of equal types, and int with double."""
    from cel_expr_python import cel

    def overload(name: str, left: str, right: str) -> str:
        arguments = ", ".join(
            f"{{type_name: {kind}, is_type_param: {str(kind == 'A').lower()}}}" for kind in (left, right)
        )
        return f"    - {{id: {name}, args: [{arguments}], return: {{type_name: bool}}}}"

    lines = [
        "stdlib:",
        "  exclude_functions:",
        *(f'    - name: "{operator}"' for operator in COMPARED),
        "functions:",
    ]
    words = ("equals", "not_equals", "less", "less_equals", "greater", "greater_equals")
    for operator, word in zip(COMPARED, words, strict=True):
        same = (
            ["A"]
            if "=" in operator and "<" not in operator and ">" not in operator
            else ["int", "double", "string"]
        )
        lines += [f'  - name: "{operator}"', "    overloads:"]
        lines += [overload(f"{word}_{kind}", kind, kind) for kind in same]
        lines += [
            overload(f"{word}_double_int64", "double", "int"),
            overload(f"{word}_int64_double", "int", "double"),
        ]
    return cel.NewEnvConfigFromYaml("\n".join(lines))


def _type(kind: Kind) -> cel.Type:
    from cel_expr_python import cel

    if kind.startswith("list("):
        return cel.Type.List(getattr(cel.Type, kind[5:-1].upper()))
    found: cel.Type = getattr(cel.Type, kind.upper())
    return found


def _blank(kind: Kind) -> Any:
    return {"string": "", "int": 0, "double": 0.0, "bool": False}.get(kind, [])


def _word(kind: str) -> str:
    plain = kind.lower().replace("(", " of ").replace(")", "s")
    return {"int": "an integer", "double": "a number", "string": "text", "bool": "true or false"}.get(
        plain, f"a {plain}"
    )


def _explained(report: str, source: str) -> ExpressionError:
    """The checker's first complaint in our words, with what to write instead where we can tell."""
    found = re.search(r"<input>:(\d+):(\d+): (.*)", report)
    if not found:
        return ExpressionError(report.splitlines()[0])
    line, column, message = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    offset = sum(len(part) + 1 for part in source.split("\n")[: line - 1]) + column - 1
    tokens = [match for match in TOKEN.finditer(source) if match.lastgroup != "comment"]
    if wrong := re.match(r"found no matching overload for '(.+?)' applied to '\((.*)\)'", message):
        return _mismatch(wrong[1], wrong[2], tokens, offset)
    if wrong := re.match(r"undeclared reference to '(.+?)'", message):
        if wrong[1] == "has":
            return ExpressionError("has() asks for one keyword or measurement", hint="write has(Modality)")
        return ExpressionError(f"there is no {wrong[1]!r}", hint=did_you_mean(wrong[1], FUNCTIONS))
    if message.startswith("Syntax error"):
        for match in tokens:
            if match.group() == "=":
                return ExpressionError("'=' compares nothing", hint="write ==")
            if match.group() in WORDS_FOR:
                return ExpressionError(
                    f"{match.group()!r} is not CEL", hint=f"write {WORDS_FOR[match.group()]}"
                )
        if offset >= len(source.rstrip()):
            return ExpressionError("the expression ends too early")
        return ExpressionError(f"the expression cannot be read from {source[offset : offset + 20]!r} on")
    return ExpressionError(message)


def _mismatch(function: str, arguments: str, tokens: list[re.Match[str]], offset: int) -> ExpressionError:
    kinds = re.findall(r"list\(\w+\)|[\w.]+", arguments)
    at = next((index for index, match in enumerate(tokens) if match.start() >= offset), len(tokens) - 1)
    near = [match.group() for match in tokens]
    before = near[at - 1] if at else ""
    after = near[at + 1] if at + 1 < len(near) else ""
    hint = ""
    if function in COMPARED and len(kinds) == 2:
        sign = COMPARED[function]
        if kinds == ["list(string)", "string"] and sign in ("==", "!="):
            hint = f"{before} is a list: write {after} in {before}"
        elif any(kind.startswith("list") for kind in kinds):
            hint = f"{before} is a list: write {before}[0] {sign} {after}, or use exists()"
        elif set(kinds) <= {"int", "double", "string"}:
            hint = "text is written in quotes and a number without"
        return ExpressionError(
            f"{_word(kinds[0])} cannot be compared with {_word(kinds[1])} by {sign}", hint=hint
        )
    if function in ("contains", "startsWith", "endsWith", "matches") and kinds[:1] == ["list(string)"]:
        owner = near[at - 2] if at >= 2 and before == "." else near[max(at - 3, 0)]
        text = next((word for word in near[at:] if word[:1] in "\"'"), '"..."')
        hint = f"{owner} is a list: write {text} in {owner}, or {owner}.exists(x, x.{function}({text}))"
    elif function == "@in":
        hint = f"write {before} == {after}, or {before} in [{after}]"
    elif function in ("_+_", "_-_", "_*_", "_/_") and set(kinds) == {"int", "double"}:
        hint = "arithmetic does not mix integers and decimals: write 1.0 for 1, or double(x)"
    elif function in ("!_", "_&&_", "_||_"):
        hint = "&&, || and ! take comparisons"
    shown = function.strip("_@")
    return ExpressionError(f"{shown!r} cannot take {' and '.join(_word(kind) for kind in kinds)}", hint=hint)
