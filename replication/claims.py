"""The claims of a notebook: each comparison that it asserts, and whether it holds for a network.

A notebook is run statement by statement. An assert that fails is noted and passed over, so that a claim that falls
hides none of those after it. Nothing is drawn.
"""

import ast
import contextlib
import operator
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import torch

from helpers import plotting

# What a notebook says of one network alone stands below `if weights == "lenet5":`, or below `if seed == 0:` where it
# trains its own.
FIRST: Mapping[str, str | int] = {"weights": "lenet5", "seed": 0}

COMPARISONS: Mapping[str, Callable[[Any, Any], object]] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}


@dataclass
class Claim:
    """Where a comparison stands, and what came of it each time that it was run.

    `here` is whether it is claimed of one network alone; `values` are the numbers that were compared, under the source
    of each side; `error` is what stopped it, if something did.
    """

    cell: int
    text: str
    here: bool
    runs: int = 0
    falls: int = 0
    error: str = ""
    values: dict[str, list[float]] = field(default_factory=dict)

    def note(self, holds: object) -> None:
        self.falls += not holds
        self.runs += 1

    def compare(self, names: list[str], signs: list[str], sides: list[Any]) -> None:
        for name, side in zip(names, sides, strict=True):
            with contextlib.suppress(TypeError, ValueError, RuntimeError):  # it is no number
                if not isinstance(side, str):
                    number = float(side.detach() if isinstance(side, torch.Tensor) else side)
                    self.values.setdefault(name, []).append(number)
        steps = zip(sides, signs, sides[1:], strict=False)
        self.note(all(COMPARISONS[sign](one, other) for one, sign, other in steps))

    def stop(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
        self.note(False)

    def __str__(self) -> str:
        numbers = [f"{name} is {span(some)}" for name, some in self.values.items() if not _is_constant(name)]
        found = self.error or ", ".join(numbers)
        often = f", {self.falls} times of {self.runs}" if self.runs > 1 else ""
        return f"cell {self.cell}: {self.text}{often}" + (f" ({found})" if found else "")


def span(values: list[float]) -> str:
    """The smallest and the largest of the values, or the only one, to three digits."""
    ends = [f"{end:.0f}" if end.is_integer() else f"{end:.3g}" for end in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))


def claims_of(path: Path, switches: Mapping[str, str | int]) -> list[Claim]:
    """All claims of the notebook at `path`, run with its lines `weights = …` and `seed = …` changed to `switches`.

    What it claims of one network alone is tried on this one, too. A statement that stops with an error is a claim that
    falls.

    Raises:
        ValueError: the notebook has neither line, so that all networks would give the same.
    """
    cells = {
        number: ast.parse(cell.source).body
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells)
        if cell.cell_type == "code"
    }
    switched = {name for body in cells.values() for statement in body if (name := _switched(statement))}
    if not switched:
        lines = " nor ".join(f"{name} = {value!r}" for name, value in FIRST.items())
        raise ValueError(f"{path} has neither a line {lines}, by which another network takes the first one's place")
    claims: list[Claim] = []
    names = {"__name__": "__main__", "__claims__": claims}
    with _quietly():
        for number, body in cells.items():
            rewriter = _Rewriter(number, claims, {name: switches[name] for name in switched})
            for statement in body:
                text, here = ast.unparse(statement).splitlines()[0], rewriter.is_here(statement)
                program = ast.fix_missing_locations(ast.Module([rewriter.visit(statement)], []))
                try:
                    exec(compile(program, f"{path.name}, cell {number}", "exec"), names)
                except Exception as error:
                    claims.append(Claim(number, text, here))
                    claims[-1].stop(error)
    return claims


def _switched(statement: ast.AST) -> str | None:
    """The name that a line such as `weights = "lenet5"` switches."""
    return next((name for name, value in FIRST.items() if ast.unparse(statement) == f"{name} = {value!r}"), None)


class _Rewriter(ast.NodeTransformer):
    """Changes the switches, and turns each assert into notes, one for each of the parts that `and` joins."""

    def __init__(self, cell: int, claims: list[Claim], switches: Mapping[str, str | int]) -> None:
        self.cell, self.claims, self.switches = cell, claims, switches
        self.here = False

    def is_here(self, node: ast.AST) -> bool:
        """Whether this is `if weights == "lenet5":`, or `if weights == "lenet5" and …:`."""
        return isinstance(node, ast.If) and any(self._is_switch(part) for part in _parts(node.test))

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        name = _switched(node)
        if name is not None and name in self.switches:
            node.value = ast.Constant(self.switches[name])
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        outside = self.here
        if self.is_here(node):
            self.here = True
            tests = [ast.Constant(True) if self._is_switch(part) else part for part in _parts(node.test)]
            node.test = ast.BoolOp(ast.And(), tests) if len(tests) > 1 else tests[0]
        node.body = [self.visit(child) for child in node.body]
        self.here = outside
        node.orelse = [self.visit(child) for child in node.orelse]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.If(ast.Constant(True), [self._noted(part) for part in _parts(node.test)], [])

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if not ast.unparse(node).startswith("torch.testing.assert_"):
            return node
        claim = self._new_claim(node)
        return _guarded([node, _call(claim, "note", ast.Constant(True))], claim)

    def _noted(self, part: ast.expr) -> ast.stmt:
        claim = self._new_claim(part)
        signs = [type(sign).__name__ for sign in part.ops] if isinstance(part, ast.Compare) else []
        if isinstance(part, ast.Compare) and set(signs) <= set(COMPARISONS):
            sides = [part.left, *part.comparators]
            names = _list([ast.Constant(ast.unparse(side)) for side in sides])
            kinds = _list([ast.Constant(sign) for sign in signs])
            return _guarded([_call(claim, "compare", names, kinds, _list(sides))], claim)
        return _guarded([_call(claim, "note", part)], claim)

    def _is_switch(self, test: ast.expr) -> bool:
        return any(ast.unparse(test) == f"{name} == {FIRST[name]!r}" for name in self.switches)

    def _new_claim(self, what: ast.AST) -> ast.expr:
        """A new claim, as the notebook's code gets at it."""
        self.claims.append(Claim(self.cell, ast.unparse(what), self.here))
        number = ast.Constant(len(self.claims) - 1)
        return ast.Subscript(ast.Name("__claims__", ast.Load()), number, ast.Load())


def _is_constant(source: str) -> bool:
    return not any(isinstance(node, ast.Name) for node in ast.walk(ast.parse(source)))


def _parts(test: ast.expr) -> list[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [part for value in test.values for part in _parts(value)]
    return [test]


def _list(items: Sequence[ast.expr]) -> ast.expr:
    return ast.List(list(items), ast.Load())


def _call(claim: ast.expr, method: str, *arguments: ast.expr) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Attribute(claim, method, ast.Load()), list(arguments), []))


def _guarded(body: list[ast.stmt], claim: ast.expr) -> ast.stmt:
    """`body`, whose errors are the claim's."""
    stop = _call(claim, "stop", ast.Name("__error__", ast.Load()))
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), "__error__", [stop])
    return ast.Try(body, [handler], [], [])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Nothing is drawn or printed, and what is written is gone at the end."""
    before, show = dict(os.environ), plotting.show
    with tempfile.TemporaryDirectory() as elsewhere, open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.environ["INSIDE_LENET5_OUTPUT"] = elsewhere
        plotting.show = lambda figure, *_, **__: plotting.plt.close(figure)
        try:
            with contextlib.redirect_stdout(nowhere):
                yield
        finally:
            plotting.show = show
            os.environ.clear()
            os.environ.update(before)
