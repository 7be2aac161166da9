"""The bare loop that a worker on MariaDB can be compared with: mysqlclient, batches, no Python."""

import os
import time
from typing import Any

TABLE = """
CREATE TABLE raw (
    id bigint AUTO_INCREMENT PRIMARY KEY, queue varchar(64), priority smallint, run_at bigint,
    state smallint, payload text, result text,
    KEY claim (queue, state, priority, run_at, id)
) ENGINE=InnoDB
"""
CLAIM = (
    "SELECT id, payload FROM raw WHERE queue = 'default' AND state = 0 AND run_at <= 1 "
    "ORDER BY priority, run_at, id LIMIT %s FOR UPDATE SKIP LOCKED"
)


def loop(system: Any, jobs: str, batch: str) -> float:
    """Claim and complete `jobs` rows; return how many a second."""
    import MySQLdb

    connection = MySQLdb.connect(
        host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
        port=int(os.environ.get("MYSQL_TCP_PORT", "3306")),
        user=os.environ.get("MYSQL_USER", "root"),
        password=os.environ.get("MYSQL_PWD", ""),
        database=os.environ["REPID_BENCH_NAME"],
    )
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS raw")
    cursor.execute(TABLE)
    payload = '{"number": 1, "text": "x", "flag": true}'
    cursor.executemany(
        "INSERT INTO raw (queue, priority, run_at, state, payload) VALUES (%s, %s, %s, %s, %s)",
        [("default", 5, 0, 0, payload)] * int(jobs),
    )
    connection.commit()
    started = time.perf_counter()
    while True:
        cursor.execute(CLAIM, [int(batch)])
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return int(jobs) / (time.perf_counter() - started)
        cursor.execute("UPDATE raw SET state = 1 WHERE id IN %s", [ids])
        connection.commit()
        cursor.execute("UPDATE raw SET state = 2, result = 'null' WHERE id IN %s", [ids])
        connection.commit()
