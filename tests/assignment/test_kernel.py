"""One student's kernel: what it runs, for how long, and what is left when it hangs, dies or talks without end.

Limits of time are set so that no honest cell can reach them, however busy the machine is, and to nothing just before
what is to be stopped.
"""

import itertools
import threading
import time

import nbformat
import pytest
import torch
from grading import limits, runner
from grading.answers import NoAnswer
from submissions import STUBBORN

from helpers.messages import sentence

SPENT = 0  # seconds; a cell is given one at least


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """What can be interrupted is waited for."""
    monkeypatch.setattr(runner, "_STOPS_WITHIN", 600)


def text(kernel, index):
    """What is shown below the cell, in order."""
    shown = []
    for output in kernel.nb.cells[index].outputs:
        shown.append(output.get("text") or output.get("ename") or output["data"]["text/plain"])
    return shown


def run_all(kernel):
    for index in range(len(kernel.nb.cells)):
        kernel.run(index)


def troubles(kernel):
    return {index: sentence(trouble, "en") for index, trouble in kernel.troubles.items()}


SLOW_NETWORK = """
import torch
class Slow(torch.nn.Module):
    def forward(self, images):
        while True:
            pass
slow = Slow()
"""


def test_a_network_that_takes_too_long_is_called_the_students(open_kernel):
    kernel = open_kernel(SLOW_NETWORK, call_timeout=600)
    kernel.run(0)
    kernel.ask(0, "@value", "slow", keep="cnn")
    kernel.call_timeout = SPENT
    with pytest.raises(NoAnswer, match="^your network took more than 1 s, the limit for one call$"):
        kernel.ask(0, "@outputs", {"@kept": "cnn"}, torch.ones(1))


IN_TORCH = "import torch\ndef rectify(signal):\n    return torch.nn.Conv2d(3, 3, 3)(signal)"


def test_the_students_own_line_is_named_where_a_library_raises(open_kernel):
    kernel = open_kernel(
        IN_TORCH, "# a try\nrectify(torch.ones(2))", "x = torch.ones(2)\ntorch.nn.Linear(3, 3)(x)", "f(:"
    )
    run_all(kernel)
    first, second, third = (troubles(kernel)[index] for index in (1, 2, 3))
    below = "`return torch.nn.Conv2d(3, 3, 3)(signal)`, called from the cell `rectify(torch.ones(2))`"
    assert first.startswith("RuntimeError: ") and first.endswith(f", at {below}")
    assert second.endswith(", at `torch.nn.Linear(3, 3)(x)`")
    assert third.startswith("SyntaxError: ") and third.endswith(", at `f(:`") and ".py" not in third
    with pytest.raises(NoAnswer, match=r"^RuntimeError: .*, at `return torch.nn.Conv2d\(3, 3, 3\)\(signal\)`$"):
        kernel.ask(0, "rectify", torch.ones(2))


def test_cells_run_one_after_the_other_and_their_outputs_are_kept(open_kernel):
    kernel = open_kernel("a = 1\nprint(a)\nprint('then')", "a + 1", "1 / 0", "print(a)\na")
    run_all(kernel)
    assert [text(kernel, index) for index in range(4)] == [["1\nthen\n"], ["2"], ["ZeroDivisionError"], ["1\n", "1"]]
    assert [cell.execution_count for cell in kernel.nb.cells] == [1, 2, 3, 4]
    assert kernel.record == ["ZeroDivisionError in the cell `1 / 0`: division by zero"]


def test_a_cell_that_takes_too_long_is_interrupted_and_no_other(open_kernel):
    kernel = open_kernel("a = 1", "while True:\n    pass", "print(a)", timeout=600)
    kernel.run(0)
    kernel.timeout = SPENT
    kernel.run(1)
    kernel.timeout = 600
    kernel.run(2)
    assert kernel.record == ["the cell `while True:` took more than 1 s and was interrupted."]
    assert text(kernel, 2) == ["1\n"]
    (output,) = kernel.nb.cells[1].outputs
    met = "the cell `while True:` took more than 1 s, the limit for one cell, and was interrupted"
    assert output.output_type == "error" and output.traceback == [met]
    assert "KeyboardInterrupt" not in str(kernel.nb.cells)
    assert troubles(kernel) == {1: met}


def test_the_time_of_the_slowest_cell_is_known_and_whether_one_was_stopped(open_kernel):
    kernel = open_kernel("import time\ntime.sleep(0.3)", "def slowly():\n    time.sleep(0.6)", "", timeout=600)
    for index in range(3):
        kernel.run(index)
    assert 0.3 <= kernel.slowest < 600
    kernel.slowest = 0.0
    kernel.ask(2, "slowly")
    assert kernel.slowest == 0
    kernel.ask(2, "slowly", as_cell=True)
    assert 0.6 <= (slowest := kernel.slowest) < 600 and not kernel.stopped
    kernel.nb.cells[2].source = "while True:\n    pass"
    kernel.timeout = 1
    kernel.run(2)
    assert kernel.stopped and kernel.slowest == slowest


def test_nothing_is_waited_for_when_a_cell_is_done(open_kernel, monkeypatch):
    """A submission has some eighty cells and questions: a tenth of a second after each was a third of the grading."""
    kernel = open_kernel("print('done')")
    runner, heard = kernel._runner, []
    listen, reply = runner._client.get_iopub_msg, runner._reply

    def listening(**how):
        heard.append("nothing")
        news = listen(**how)
        heard[-1] = news["content"].get("execution_state")
        return news

    def replying(asked):
        found = reply(asked)
        heard.append("reply" if found is not None else "no reply")
        return found

    monkeypatch.setattr(runner._client, "get_iopub_msg", listening)
    monkeypatch.setattr(runner, "_reply", replying)
    kernel.run(0)
    assert heard[-1] == "reply" and "idle" in heard


def test_a_kernel_that_can_not_be_stopped_is_replaced_and_the_other_cells_run_again(open_kernel, monkeypatch):
    monkeypatch.setattr(runner, "_STOPS_WITHIN", 1)
    kernel = open_kernel("a = 1", STUBBORN, "print(a)", timeout=600)
    replace = kernel._replace
    kernel._replace = lambda before: (setattr(kernel, "timeout", 600), replace(before))
    kernel.run(0)
    kernel.timeout = SPENT
    kernel.run(1)
    kernel.timeout = 600
    kernel.run(2)
    lost = "the kernel could not be stopped after 1 s and was killed"
    assert kernel.record == [f"{lost} in the cell `while True:`; a new one runs the others."]
    assert kernel.nb.cells[1].outputs[0].evalue == lost
    assert text(kernel, 2) == ["1\n"]


def test_a_kernel_that_dies_is_replaced_a_few_times(open_kernel):
    kernel = open_kernel("a = 1", *["import os\nos._exit(0)"] * 8)
    for index in itertools.takewhile(lambda _: not kernel.ended, range(9)):
        kernel.run(index)
    assert "the kernel was lost too often; nothing more is run." in kernel.record
    with pytest.raises(NoAnswer, match="nothing more of this notebook is run"):
        kernel.ask(0, "@read", 3)


def test_a_function_that_takes_too_long_is_asked_once(open_kernel):
    kernel = open_kernel("def rectify(signal):\n    while True:\n        pass", call_timeout=600)
    kernel.run(0)
    assert kernel.ask(0, "@read", 3) == 3
    kernel.call_timeout = SPENT
    with pytest.raises(NoAnswer, match="^`rectify` took more than 1 s, the limit for one call$"):
        kernel.ask(0, "rectify", 3)
    assert kernel.record == ["`rectify` took more than 1 s."]
    kernel.call_timeout = 600
    with pytest.raises(NoAnswer, match="^`rectify` took more than 600 s before$"):
        kernel.ask(0, "rectify", 3)
    assert kernel.ask(0, "@read", 4) == 4


def test_a_question_may_take_as_long_as_a_cell(open_kernel):
    kernel = open_kernel("import time\ndef train():\n    time.sleep(3)\n    return 3", timeout=600, call_timeout=1)
    kernel.run(0)
    assert kernel.ask(0, "train", as_cell=True) == 3
    with pytest.raises(NoAnswer, match="^`train` took more than 1 s"):
        kernel.ask(0, "train")


def test_time_is_limited_for_all_together(open_kernel):
    kernel = open_kernel("print('early')", "import time\ntime.sleep(100_000)", total_timeout=6000)
    kernel.run(0)
    assert not kernel.ended
    kernel.total_timeout = SPENT
    kernel.run(1)
    assert kernel.ended and text(kernel, 0) == ["early\n"]
    assert "all together took more than 0 s; nothing more is run." in kernel.record
    with pytest.raises(NoAnswer, match="nothing more of this notebook is run"):
        kernel.ask(1, "@read", 3)


def test_memory_is_limited(open_kernel):
    kernel = open_kernel("hoard = bytearray(10 * 2**30)", "print('goes on')")
    run_all(kernel)
    assert text(kernel, 0) == ["MemoryError"] and text(kernel, 1) == ["goes on\n"]


def test_what_is_said_beyond_a_limit_is_dropped(open_kernel):
    talk = "for k in range(200):\n    print('blah ' * 100, flush=True)"
    pictures = "for k in range(30):\n    display('x' * 1000)"
    kernel = open_kernel(talk, pictures, text_kb=20, picture_kb=10)
    run_all(kernel)
    words, cut = kernel.nb.cells[0].outputs
    assert 0 < len(words.text) < 20_000 and cut.text == "… cut after 20 kB\n"
    assert 0 < len(kernel.nb.cells[1].outputs) < 11
    assert kernel.record == [
        "the cell `for k in range(200):` puts out more than 20 kB; cut.",
        "the cell `for k in range(30):` puts out more than 10 kB; cut.",
    ]


def test_what_is_said_after_a_long_silence_is_kept(open_kernel, monkeypatch):
    monkeypatch.setattr(runner, "_STOPS_WITHIN", 1)
    slowly = "get_ipython().kernel.iopub_thread.schedule(lambda: time.sleep(0.5))"
    kernel = open_kernel(f"import time\ntime.sleep(1.5)\n{slowly}\nprint('late')")
    run_all(kernel)
    assert text(kernel, 0) == ["late\n"]


def test_a_thread_that_spins_has_short_turns(open_kernel):
    """With Python's own of 5 ms, a training beside eight such threads takes four times as long."""
    kernel = open_kernel("import sys\nprint(sys.getswitchinterval())")
    run_all(kernel)
    assert float(text(kernel, 0)[0]) == pytest.approx(0.0005)


def test_what_is_cleared_is_not_kept(open_kernel):
    kernel = open_kernel(
        "from IPython.display import clear_output\nfor k in range(3):\n    clear_output(wait=True)\n    display(k)",
        "display('one')\nclear_output()",
        "display('one')\nclear_output(wait=True)",
    )
    run_all(kernel)
    assert [text(kernel, index) for index in range(3)] == [["2"], [], ["'one'"]]


def test_an_output_reaches_into_no_other_cell(open_kernel):
    kernel = open_kernel("bar = display('starts', display_id=True)", "bar.update('ends')\nprint('told')")
    run_all(kernel)
    assert [text(kernel, index) for index in range(2)] == [["'starts'"], ["told\n"]]


def test_an_error_of_which_nothing_is_shown_is_on_record(open_kernel):
    kernel = open_kernel("get_ipython().showtraceback = lambda *given, **named: None", "1 / 0")
    run_all(kernel)
    assert text(kernel, 1) == ["ZeroDivisionError"]
    assert kernel.record == ["ZeroDivisionError in the cell `1 / 0`: division by zero"]


@pytest.mark.parametrize("reply", ["[]", '{"status": "error", "ename": {}, "traceback": 5, "execution_count": "x"}'])
def test_a_reply_that_is_none_ends_nothing(open_kernel, reply):
    forging = f"""
session = get_ipython().kernel.session
usual = session.send
def send(socket, kind, content=None, *given, **named):
    if kind != "execute_reply":
        return usual(socket, kind, content, *given, **named)
    usual(socket, kind, {reply.encode()}, *given, **named)
    return {{"content": content}}
session.send = send
"""
    kernel = open_kernel(forging, "print('goes on')")
    run_all(kernel)
    assert text(kernel, 1)[0] == "goes on\n"
    nbformat.validate(kernel.nb)


def test_the_record_and_the_log_have_one_line_for_an_error_and_nothing_for_a_terminal(open_kernel):
    kernel = open_kernel("raise type('\\x1b]0;mine\\x07', (Exception,), {})('\\x1b[2J\\n- graded by hand')")
    run_all(kernel)
    (line,) = kernel.record
    assert line.isprintable() and line.startswith("?]0;mine? in the cell ") and line.endswith(": ?[2J - graded by hand")


# In many parts, none of which is large.
LARGE_MESSAGE = """
import zmq
kernel = get_ipython().kernel
def send():
    for _ in range(150):
        kernel.iopub_thread.socket.send(bytes(10_000_000), zmq.SNDMORE)
    kernel.iopub_thread.socket.send(b"")
kernel.iopub_thread.schedule(send)
__import__("time").sleep(100_000)
"""


def test_what_is_put_out_fills_no_memory_of_the_judge(open_kernel, in_the_sandbox, monkeypatch):
    monkeypatch.setattr(limits, "_MOST_WAITING", 0.5e9)
    kernel = open_kernel(LARGE_MESSAGE, "print('goes on')", timeout=600)
    run_all(kernel)
    assert kernel.record[0].startswith("the limit of 0.5 GB for what is put out was met in the cell ")
    assert text(kernel, 1) == ["goes on\n"]


@pytest.mark.parametrize("content", ["'x' * 30_000_000", "[[]] * 300_000"], ids=["long", "large inside"])
def test_a_message_that_is_far_too_long_is_not_read(open_kernel, content):
    kernel = open_kernel(f"{FORGING}_ = session.send(socket, 'stream', {{'text': {content}}}, parent=parent)")
    run_all(kernel)
    assert text(kernel, 0) == ["… cut after 50 kB\n"] and "puts out more than 50 kB; cut" in kernel.record[0]


def test_the_time_for_all_is_kept_when_cells_run_again(open_kernel):
    kernel = open_kernel("a = 1", "a = 2", "import os\nos._exit(0)")
    run = []
    for index in range(2):
        kernel.run(index)
    start = kernel._start

    def started():
        start()
        execute = kernel._running.execute
        kernel._running.execute = lambda *given, **named: run.append(given) or execute(*given, **named)
        kernel.total_timeout = SPENT

    kernel._start = started
    kernel.run(2)
    assert kernel.ended and run == []


FORGING = """
import json
kernel = get_ipython().kernel
session, socket, parent = kernel.session, kernel.iopub_socket, kernel.get_parent()
usual = session.sign
"""


@pytest.mark.parametrize(
    "message",
    [
        "session.send(socket, 'display_data', {'metadata': {}}, parent=parent)",
        "session.send(socket, 'stream', {}, parent=parent)",
        "session.send(socket, 'error', {'ename': [], 'evalue': 1, 'traceback': 5}, parent=parent)",
        "session.send(socket, 'display_data', {'data': {'text/plain': 7}, 'metadata': {}}, parent=parent)",
        "session.pack = lambda it: json.dumps(it, default=str).encode()\n"
        "session.send(socket, 'stream', {'name': 'stdout', 'text': chr(0xD800)}, parent=parent)",
        "session.sign = lambda parts: b'none'\nsession.send(socket, 'status', {}, parent=parent)\nsession.sign = usual",
    ],
    ids=["a picture of nothing", "no words", "no error", "a picture of a number", "half a character", "not signed"],
)
def test_a_message_that_is_none_ends_nothing(open_kernel, message):
    kernel = open_kernel(FORGING + message, "print('goes on')")
    run_all(kernel)
    assert text(kernel, 1) == ["goes on\n"]
    assert kernel.record == ["a message of the kernel could not be read."]


def test_there_is_no_gpu_and_nothing_that_the_lecturer_has_set_up(open_kernel, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (tmp_path / "profile_default" / "startup").mkdir(parents=True)
    (tmp_path / "profile_default" / "startup" / "mine.py").write_text("of_the_lecturer = 3")
    kernel = open_kernel("import os\nprint(repr(os.environ['CUDA_VISIBLE_DEVICES']))", "of_the_lecturer")
    run_all(kernel)
    assert [text(kernel, index) for index in range(2)] == [["''\n"], ["NameError"]]


BREAKING = """
import json, os, socket, threading
path = f"/answers/0-{json.load(open('/judge/0.json'))['control_port']}"
os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
greeting = bytes([255, *[0] * 8, 127, 3, 0]) + b"NOSUCH".ljust(20, bytes(1)) + bytes(32)
broken, kept = threading.Event(), []
def serve():
    while True:
        kept.append(server.accept()[0])
        kept[-1].sendall(greeting)
        broken.set()
threading.Thread(target=serve, daemon=True).start()
for name in os.listdir("/proc/self/fd"):
    try:
        with socket.socket(fileno=os.dup(int(name))) as one:
            listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if one.family == socket.AF_UNIX and one.getsockname() == path and not listens:
                one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
broken.wait()
"""


def test_a_connection_that_takes_nothing_holds_nobody_up(open_kernel, in_the_sandbox, monkeypatch):
    monkeypatch.setattr(runner, "_STOPS_WITHIN", 0.2)
    kernel = open_kernel(BREAKING, timeout=600)
    kernel.run(0)

    def interrupt() -> None:
        # The connection is given up only some time after the broken greeting.
        for _ in range(20):
            kernel._running._interrupt()
            time.sleep(0.1)

    interrupting = threading.Thread(target=interrupt, daemon=True)
    interrupting.start()
    interrupting.join(60)
    assert not interrupting.is_alive()


LONG_ERRORS = [
    "raise ValueError('x' * 5_000_000)",
    "class E(Exception):\n    def _render_traceback_(self):\n        return ['x' * 1000] * 5000\nraise E()",
    "raise type('x' * 5_000_000, (Exception,), {})()",
]


def test_a_long_error_is_cut(open_kernel):
    """It comes twice: as what the cell puts out, and in the kernel's reply."""
    kernel = open_kernel(*LONG_ERRORS)
    for index in range(len(LONG_ERRORS)):
        kernel.run(index)
        assert kernel.nb.cells[index].outputs[-1].output_type == "error"
        assert len(str(kernel.nb.cells[index].outputs)) < 100_000
    assert max(map(len, kernel.record)) < 1000
