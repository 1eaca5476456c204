"""What the judge says of one part, and how it compares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grading.answers import NoAnswer


@dataclass
class Marks:
    """The steps of one part: how much each is worth, how much was earned, and why."""

    steps: list[tuple[float, float, str]] = field(default_factory=list)

    def add(self, worth: float, earned: float | bool, what: str, otherwise: str = "") -> None:
        """Add a step. `earned` is a share of it, from 0 to 1; `otherwise` says what is wrong if it is below 1."""
        self.steps.append(
            (worth, worth * float(earned), what if earned == 1 else f"wanted: {what}. Found: {otherwise}")
        )

    @property
    def share(self) -> float:
        """What was earned, from 0 to 1."""
        worth = sum(step[0] for step in self.steps)
        return sum(step[1] for step in self.steps) / worth if worth else 0.0

    def lines(self, points: float) -> list[str]:
        """One line a step, as the student reads it; the part is worth `points`."""
        scale = points / sum(step[0] for step in self.steps)
        return [
            f"{'✓' if earned == worth else '✗'} {earned * scale:g} of {worth * scale:g}: {what}"
            for worth, earned, what in self.steps
        ]


@dataclass(frozen=True)
class Student:
    """A student as the judge sees them.

    Attributes:
        ask: calls one of their functions, as `StudentKernel.ask`.
        random: draws what they are asked.
        written: the source of their cells, by nbgrader's names.
        digits: those whose images they choose and visualise.
    """

    ask: Callable[..., object]
    random: torch.Generator
    written: Mapping[str, str]
    digits: Sequence[int]

    def draw(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=self.random)

    def tensor(self, function: str, *arguments, **settings) -> Tensor:
        """The answer of `function`, which must be a tensor of finite numbers.

        Raises:
            NoAnswer: it is something else, or there is none.
        """
        answer = self.ask(function, *arguments, **settings)
        if not isinstance(answer, Tensor):
            raise NoAnswer(f"it returns {kind(answer)}; a tensor is wanted")
        # In single precision: what overflows there would be equal to anything that does.
        if answer.layout != torch.strided or answer.is_complex() or not answer.float().isfinite().all():
            raise NoAnswer("it returns a tensor that does not hold finite real numbers")
        return answer.double()


def kind(answer: object) -> str:
    """What a message calls the answer."""
    if isinstance(answer, dict) and "@type" in answer:
        return f"a {str(answer['@type'])[:50]}"
    return "nothing" if answer is None else f"a {type(answer).__name__}"


def same(answer: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors agree as far as single precision goes.

    A thousandth of the largest value is a hundred times what the order of additions changes, and a hundredth of what
    the smallest of the known mistakes does.
    """
    if answer.shape != wanted.shape:
        return False
    wanted = wanted.double()
    return bool((answer - wanted).abs().max() <= 1e-3 * wanted.abs().max() + 1e-9)


def sizes(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def right_or_by_stand_ins(
    student: Student,
    call: tuple,
    wanted: Tensor,
    stand_ins: Sequence[str],
    by_stand_ins: Tensor,
    explain: Callable[[Tensor], str],
) -> tuple[bool, str]:
    """Whether the `call` gives what is wanted, or, with stand-ins for the student's own functions, what they lead to.

    If it does neither, what is wrong: a word on the shape, or what `explain` says of an answer that has the right one.
    """
    try:
        answer = student.tensor(*call)
        if same(answer, wanted):
            return True, ""
        right_shape = answer.shape == wanted.shape
        fault = explain(answer) if right_shape else f"it returns {sizes(answer)}; {sizes(wanted)} is wanted"
    except NoAnswer as reason:
        fault = str(reason)
    try:
        return same(student.tensor(*call, stand_ins=stand_ins), by_stand_ins), fault
    except NoAnswer:
        return False, fault
