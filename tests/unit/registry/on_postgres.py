"""Runs the tests of the store, given as programs, once more on a PostgreSQL of their own."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "service"))
from postgres import Postgres  # noqa: E402

# What the tests' own SQL calls by SQLite's names.
WORDS = """
CREATE FUNCTION hex(bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT encode($1, 'hex') $$;
CREATE FUNCTION instr(text, text) RETURNS int IMMUTABLE LANGUAGE sql
    AS $$ SELECT strpos($1, $2) $$;
CREATE FUNCTION joined(text, text) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT coalesce($1 || ',', '') || $2 $$;
CREATE AGGREGATE group_concat(text) (SFUNC = joined, STYPE = text);
"""


def main(programs):
    server = Postgres(client_min_messages="warning")
    try:
        url = server.create().database()
        server.sql(WORDS, url.rsplit("/", 1)[1])
        environment = {**os.environ, "MINTD_TEST_POSTGRES": url}
        failed = [program for program in programs
                  if subprocess.run([program], env=environment, check=False).returncode != 0]
    finally:
        server.remove()
    if failed:
        sys.exit("failed on PostgreSQL: " + " ".join(failed))


main(sys.argv[1:])
