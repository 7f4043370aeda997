"""Python's cycle collector, set for a process that serves for days."""

import gc

YOUNG = 20_000  # new containers before the youngest generation is looked through; Python's own is 700


def tune() -> None:
    """Call once when everything is imported: what exists now is for ever, and is not looked through again.

    Otherwise each full collection walks all code and tables of the program, some hundred thousand objects, amid some
    request. What requests leave behind is freed by its reference counts; cycles are rare and can wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
