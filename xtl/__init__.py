"""xtl: does more English intermediate-task data help low-resource languages in zero-shot QA?"""

__version__ = "0.1.0"
