"""`dose3d` with the toy task added: `python toy_cli.py toy run CT --output OUT`."""

import sys

from Dose3DLib.cli.main import main
from Dose3DLib.tasks.base import Task
from Dose3DLib.tasks.registry import TASKS

TOY = Task(("toy", "run"), "toy_task", "A toy.")

if __name__ == "__main__":
    sys.exit(main(tasks=(*TASKS, TOY)))
