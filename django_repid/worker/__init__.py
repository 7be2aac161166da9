"""How a job runs. Imports core only: no Django, no broker.

::

    worker     what users make: its terms, and `run`
    run        one run: puts the parts together, waits for its end, takes it down
    desk       the broker thread: settles what has ended, claims for the room that is free
    executor   one message to an Outcome; touches no broker
    loop       async actors on the event loop      threads    sync actors on plain threads
    apart      what runs in child processes: a pool of them (cells), one (cell) as the worker
               sees it (cell_process) and as it sees itself (cell_child, cell_life)
    lanes      threads for the ORM calls of async actors
    beat       a sign of life, and who was cancelled   janitor    rescue and pruning
    service    the thread that both run on         identity   who this process is
"""
