"""The schema of a database as a set of lines, to compare two databases; databases of former releases."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

SCHEMAS = Path(__file__).parents[1] / "integration" / "schemas"

_OF_THE_SERVER = """
SELECT 'column', c.table_name, c.column_name, c.data_type, c.collation_name, c.is_nullable, c.column_default
FROM information_schema.columns c JOIN pg_class p ON p.oid = to_regclass(quote_ident(c.table_name))
WHERE c.table_schema = 'public' AND p.relkind = 'r'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'view', viewname, '', definition, '', '', '' FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'function', proname, '', pg_get_functiondef(oid), '', '', proacl::text
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '', '', ''
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'sequence', sequencename, data_type::text, '', '', '', '' FROM pg_sequences WHERE schemaname = 'public'
UNION ALL SELECT 'grant', relname, '', grantee::regrole::text, privilege_type, '', ''
FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'grant', attrelid::regclass::text, attname, grantee::regrole::text, privilege_type, '', ''
FROM pg_attribute, aclexplode(attacl) WHERE NOT attisdropped
  AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""
_TABLES_OF_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table'"
_REST_OF_SQLITE = (
    "SELECT type, name, sql FROM sqlite_master WHERE type <> 'table' AND sql IS NOT NULL"
)
_OF_A_TABLE = (
    """SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('{}')""",
    """SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list('{}')""",
    """SELECT l."unique", group_concat(i.name) FROM pragma_index_list('{}') l, pragma_index_info(l.name) i
    GROUP BY l.name""",
)


def describe_schema(engine: Engine) -> set[str]:
    """All columns, constraints, indexes, views, functions, triggers and rights; the order of columns does not count.

    SQLite does not name constraints: there they are compared by their columns.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            rows = [tuple(row) for row in connection.execute(text(_OF_THE_SERVER))]
        else:
            rows = [tuple(row) for row in connection.exec_driver_sql(_REST_OF_SQLITE)]
            for table in connection.exec_driver_sql(_TABLES_OF_SQLITE).scalars().all():
                for query in _OF_A_TABLE:
                    rows += [
                        (table, *row) for row in connection.exec_driver_sql(query.format(table))
                    ]
    return {" | ".join(" ".join(str(value).split()) for value in row) for row in rows}


def make_former(engine: Engine) -> None:
    """Create the tables of revision 0044 in an empty database, with rows in each of them."""
    with engine.begin() as connection:
        for name in (f"0044.{engine.dialect.name}", "rows"):
            script = (SCHEMAS / f"{name}.sql").read_text("utf-8")
            for lines in _cut(
                script.splitlines(keepends=True)
            ):  # a PostgreSQL function is one statement
                connection.exec_driver_sql("".join(lines))
        is_server = engine.dialect.name == "postgresql"
        for sequence in inspect(connection).get_sequence_names() if is_server else ():
            connection.exec_driver_sql(f"SELECT setval('{sequence}', 100)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0044', '0018')")


def _cut(lines: list[str]) -> list[list[str]]:
    statements: list[list[str]] = [[]]
    is_body = False
    for line in lines:
        if line.startswith("--"):
            continue
        statements[-1].append(line)
        is_body ^= (line.count("$$") + line.count("$_$")) % 2 == 1
        if line.endswith(";\n") and not is_body:
            statements.append([])
    return statements[:-1]
