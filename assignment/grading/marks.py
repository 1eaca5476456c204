"""What the judge says of one part, and how it compares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from grading.answers import NoAnswer
from helpers.messages import Message, message, sentence


class Step(NamedTuple):
    """One step of a part: what it is worth, what was earned of it, what is wanted, and what was found instead."""

    worth: float
    earned: float
    wanted: Message
    faults: tuple[Message, ...]

    def line(self, scale: float, language: str) -> str:
        what = self.wanted
        if self.faults:
            found = "; ".join(sentence(fault, language) for fault in self.faults)
            what = message("step.otherwise", wanted=self.wanted, found=found)
        said = message("step.earned", earned=self.earned * scale, worth=self.worth * scale, what=what)
        return f"{'✓' if self.earned == self.worth else '✗'} {sentence(said, language)}"


@dataclass
class Marks:
    """The steps of one part.

    Attributes:
        address: the student's e-mail address, where the part asks for it.
    """

    steps: list[Step] = field(default_factory=list)
    address: str | None = None

    def add(self, worth: float, earned: float | bool, wanted: Message, *faults: Message | None) -> None:
        """Add a step. `earned` is a share of it, from 0 to 1; the `faults` say what is wrong if it is below 1."""
        found = tuple(fault for fault in faults if fault is not None)
        self.steps.append(Step(worth, worth * float(earned), wanted, () if earned == 1 else found))

    @property
    def share(self) -> float:
        """What was earned, from 0 to 1."""
        worth = sum(step.worth for step in self.steps)
        return sum(step.earned for step in self.steps) / worth if worth else 0.0

    @property
    def faults(self) -> list[Message]:
        """What was found to be wrong, each once."""
        found: list[Message] = []
        for step in self.steps:
            found += [fault for fault in step.faults if fault not in found]
        return found

    @property
    def first(self) -> Step | None:
        """The first step that is not right."""
        return next((step for step in self.steps if step.earned < step.worth), None)

    def lines(self, points: float, language: str) -> list[str]:
        """One line a step, as the student reads it; the part is worth `points`."""
        scale = points / sum(step.worth for step in self.steps)
        return [step.line(scale, language) for step in self.steps]


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
            raise NoAnswer(message("returns.no_tensor", found=kind(answer)))
        # In single precision: what overflows there would be equal to anything that does.
        if answer.layout != torch.strided or answer.is_complex() or not answer.float().isfinite().all():
            raise NoAnswer(message("returns.not_finite"))
        return answer.double()


def kind(answer: object) -> Message:
    """What a message calls the answer."""
    if isinstance(answer, dict) and "@type" in answer:
        return message("kind.a", type=str(answer["@type"])[:50])
    return message("nothing") if answer is None else message("kind.a", type=type(answer).__name__)


def same(answer: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors agree as far as single precision goes.

    A thousandth of the largest value is a hundred times what the order of additions changes, and a hundredth of what
    the smallest of the known mistakes does.
    """
    if answer.shape != wanted.shape:
        return False
    wanted = wanted.double()
    return bool((answer - wanted).abs().max() <= 1e-3 * wanted.abs().max() + 1e-9)


def sizes(tensor: Tensor) -> str | Message:
    return "×".join(map(str, tensor.shape)) or message("shape.number")


def wrong_shape(answer: Tensor, wanted: Tensor) -> Message:
    return message("returns.wrong_shape", found=sizes(answer), wanted=sizes(wanted))


def right_or_by_stand_ins(
    student: Student,
    call: tuple,
    wanted: Tensor,
    stand_ins: Sequence[str],
    by_stand_ins: Callable[[Tensor], tuple[bool, list[Message]]],
    explain: Callable[[Tensor], list[Message]],
    otherwise: Message,
) -> tuple[bool, list[Message]]:
    """Whether the `call` gives what is wanted, or, with stand-ins for the student's own functions, what they lead to.

    If it does neither, what may be wrong: a word on the shape, or what `explain` says of an answer that has the right
    one, or what `by_stand_ins` says: with mistakes in the student's own functions, that alone sees the one in the call.
    """
    faults = []
    try:
        answer = student.tensor(*call)
        if same(answer, wanted):
            return True, []
        faults = explain(answer) if answer.shape == wanted.shape else [wrong_shape(answer, wanted)]
    except NoAnswer as reason:
        faults = [reason.fault]
    try:
        right, found = by_stand_ins(student.tensor(*call, stand_ins=stand_ins))
    except NoAnswer:
        right, found = False, []
    return right, faults or found or [otherwise]
