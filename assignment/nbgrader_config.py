"""The course: run nbgrader in this folder. See docs/teaching.md."""

import sys
import warnings
from pathlib import Path

from sqlalchemy.exc import SAWarning

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading.judge import Judge  # noqa: E402
from grading.restore import RestoreCells  # noqa: E402
from nbgrader.converters import Autograde  # noqa: E402

# nbgrader's own business, three screens of it for each new student.
warnings.filterwarnings("ignore", category=SAWarning)

c = get_config()  # noqa: F821 (nbgrader gives it)

c.CourseDirectory.course_id = "inside_lenet5"
c.CourseDirectory.root = str(HERE)
# Students may hand in their whole folder. The helpers and the data are taken from this project all the same.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "helpers", "data"]
c.CourseDirectory.max_file_size = 10_000  # kB

# nbgrader's own steps, after one that puts the notebook right, and with the judge where it would run the tests.
c.Autograde.sanitize_preprocessors = [RestoreCells, *Autograde.sanitize_preprocessors.default_args[0]]
steps = Autograde.autograde_preprocessors.default_args[0]
c.Autograde.autograde_preprocessors = [Judge if step.__name__ == "Execute" else step for step in steps]

# Judge.sandboxed = True protects you and the grades from students' code; it needs bubblewrap, on Linux.
# c.Judge.sandboxed = True
