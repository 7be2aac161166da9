"""How the state of the tables bears on speed: depth of the backlog, and age."""

from tests.benchmarks import catalogue
from tests.benchmarks.drain import wait, workers
from tests.benchmarks.figures import Figure, Outcome
from tests.benchmarks.rows import Bench, row
from tests.benchmarks.systems import Site, site

TENTHS = 10
TABLES = ("message", "bucket")
SIZE = "message table, MB"

#: Copies of one row that the public interface has made, whatever its columns are.
COPIES = """
DO $$
DECLARE names text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ') INTO names FROM pg_attribute
    WHERE attrelid = 'django_repid_message'::regclass AND attnum > 0 AND NOT attisdropped
      AND attname NOT IN ('id', 'message_id');
    EXECUTE format(
        'INSERT INTO django_repid_message (message_id, %s)
         SELECT %L || g, %s FROM django_repid_message m, generate_series(1, %s) g
         WHERE m.message_id = %L', names, '{name}-', names, {count}, '{name}');
END $$
"""


def _copies(place: Site, name: str, count: int) -> None:
    place.store.run(COPIES.format(name=name, count=count))


@row("depth", "PostgreSQL, cost of depth")
def depth(bench: Bench, outcome: Outcome) -> None:
    scale, ours = bench.scale, catalogue.OURS["postgres"]
    rows = f"{scale.depth:,}"
    shallow = Figure("shallow", "jobs/s", note=f"{scale.shallow:,} waiting, nothing else")
    deep = Figure(
        "deep", "jobs/s", note=f"{rows} waiting, {rows} delayed at HIGH priority, {rows} dead"
    )
    rounds = max(scale.rounds, 2)
    with site(ours.having(key="ours-deep")) as place:
        place.child("deep.prepare")
        for name in ("waiting", "delayed", "dead"):
            _copies(place, name, scale.depth)
        for turn in range(rounds):
            deep.values.append(_first(place, scale.shallow))
            with site(ours.having(key="ours-shallow")) as other:
                other.child("deep.prepare")
                _copies(other, "waiting", scale.shallow)
                other.store.run("DELETE FROM django_repid_message WHERE message_id "
                                "IN ('delayed', 'dead', 'waiting')")  # fmt: skip
                shallow.values.append(_first(other, scale.shallow))
            print(f"    {turn + 1}. deep {deep.values[-1]:,.0f}, "
                  f"shallow {shallow.values[-1]:,.0f} jobs/s", flush=True)  # fmt: skip
        long = Figure("deep, on and on", "jobs/s", [_first(place, scale.depth // 5)])
        long.note = f"the first {scale.depth // 5:,} jobs"
    outcome.figures = [shallow, deep, long]
    outcome.notes.append(
        f"Rates over the first {scale.shallow:,} jobs of a worker, in turns. Rows are copies "
        "that SQL makes of a job enqueued before (`COPIES` in tests/benchmarks/rows/states.py)."
    )
    outcome.compare("≥ 0.9 × the rate without depth", "deep", "shallow", 0.9)


def _first(place: Site, jobs: int) -> float:
    """Return the rate at which a new worker runs its first jobs, and no more."""
    place.forget()
    place.store.settle()
    limited = (*place.system.command, "--messages-limit", str(jobs))
    with workers(place, 0, command=limited) as running:
        reading = wait(place, running, jobs)
    return reading.count / reading.seconds


@row("age", "PostgreSQL, cost of age")
def age(bench: Bench, outcome: Outcome) -> None:
    _age(bench.scale.age, outcome)
    outcome.notes.append(
        "Sizes tell something in the long row only: autovacuum looks once a minute."
    )


@row("age-long", "PostgreSQL, cost of age, ten million jobs", long=True)
def age_long(bench: Bench, outcome: Outcome) -> None:
    _age(10_000_000, outcome)
    first, last = (outcome.figures[at].median(SIZE) for at in (0, -1))
    outcome.limit("message table in the end: ≤ 2 × after the first tenth", last, 2 * first, "MB")


def _age(jobs: int, outcome: Outcome) -> None:
    """Drain tenths of `jobs` one after the other in one database, autovacuum on."""
    part = jobs // TENTHS
    rates, sizes = [], []
    with site(catalogue.OURS["postgres"].having(key="ours-age")) as place:
        for tenth in range(TENTHS):
            place.forget()
            place.child("enqueue", part, place.system.actor)
            with workers(place, part) as running:
                reading = wait(place, running, part)
            rates.append(part / reading.seconds)
            sizes.append(_sizes(place))
            print(f"    {tenth + 1}. {rates[-1]:,.0f} jobs/s, {sizes[-1]}", flush=True)
    for tenth in (0, TENTHS - 1):
        figure = Figure(f"tenth {tenth + 1}", "jobs/s", [rates[tenth]], note=f"{part:,} jobs")
        figure.also = {name: [size] for name, size in sizes[tenth].items()}
        outcome.figures.append(figure)
    outcome.notes.append("Rates of all tenths: " + ", ".join(f"{rate:,.0f}" for rate in rates))
    outcome.compare("last tenth ≥ 0.8 × the first", f"tenth {TENTHS}", "tenth 1", 0.8)


def _sizes(place: Site) -> dict[str, float]:
    found = {}
    for table in TABLES:
        for name, function in (("table", "pg_table_size"), ("indexes", "pg_indexes_size")):
            size = place.store.count(f"SELECT {function}('django_repid_{table}')")
            found[f"{table} {name}, MB"] = round(size / 2**20, 1)
    return found
