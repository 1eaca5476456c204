"""What the tests have timed, printed at their end beside what is wanted."""

import numpy as np

LATENCIES: list[tuple[str, str, list[float]]] = []  # explorer, slider, seconds
PHOTOGRAPHS: list[str] = []  # sentences on photographs and the camera
FIRST: list[tuple[str, float]] = []  # where the page was, seconds
OWN: list[str] = []  # of a network of one's own, in words

FRAME = "17 and 34 wanted"
OPENING = 1  # second


def tell(terminalreporter) -> None:
    write = terminalreporter.write_line
    if LATENCIES:
        terminalreporter.section("the live page: milliseconds from a slider's event to its pixels on the screen")
        write(f"{'explorer':20}{'slider':12}{'events':>8}{'median':>8}{'95 %':>8}{'most':>8}  {FRAME}")
        together = [second for _, _, seconds in LATENCIES for second in seconds]
        for name, slider, seconds in [*LATENCIES, ("all of them", "", together)]:
            times = 1000 * np.quantile(seconds, [0.5, 0.95, 1])
            write(f"{name:20}{slider:12}{len(seconds):>8}{times[0]:8.1f}{times[1]:8.1f}{times[2]:8.1f}")
    if PHOTOGRAPHS:
        terminalreporter.section("the live page: photographs, and the camera")
        for sentence in PHOTOGRAPHS:
            write(sentence)
    if FIRST:
        terminalreporter.section("the live page: seconds to the first picture, the processor slowed four times")
        for where in dict(FIRST):
            times = [seconds for one, seconds in FIRST if one == where]
            write(f"{where:12}{', '.join(f'{one:.2f}' for one in times)}; {OPENING} wanted")
    if OWN:
        terminalreporter.section("a network of one's own on the live page")
        for line in OWN:
            write(line)
