"""The course: run nbgrader in this folder. See docs/teaching.md."""

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from grading.handed_in import IGNORED  # noqa: E402
from grading.restore import DONE  # noqa: E402
from grading.steps import put_in_the_intake, put_in_the_judge, put_in_the_pages  # noqa: E402

# nbgrader's own business with its database, three screens of it for each new student.
warnings.filterwarnings("ignore", message="Object of type <", category=Warning)

c = get_config()  # noqa: F821 (nbgrader gives it)

c.CourseDirectory.course_id = "inside_lenet5"
c.CourseDirectory.root = str(HERE)
c.CourseDirectory.ignore = [*IGNORED, "made.json", DONE]
c.CourseDirectory.max_file_size = 10_000  # kB

put_in_the_intake()
put_in_the_judge(c)
put_in_the_pages(c)

# Students' code runs in a sandbox, by bubblewrap on Linux. Where there is none, grading stops. With this line it goes
# on, and their code can do and read whatever you can: docs/teaching.md.
# c.Judge.sandboxed = False
