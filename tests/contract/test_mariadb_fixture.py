from contextlib import closing

from contract.mariadb import MariaDBServer


def test_each_test_gets_schemas_of_its_own(mariadb: MariaDBServer) -> None:
    first, second = mariadb.fresh_schemas(), mariadb.fresh_schemas()
    assert len({first.business, first.sync, second.business, second.sync}) == 4
    with closing(mariadb.admin_connection(first.business)) as admin, admin.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO kept VALUES (1)")


def test_what_is_committed_survives_a_killed_server(mariadb: MariaDBServer) -> None:
    schemas = mariadb.fresh_schemas()
    with closing(mariadb.admin_connection(schemas.business)) as admin, admin.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO kept VALUES (1)")
    mariadb.kill()
    mariadb.start()
    with closing(mariadb.admin_connection(schemas.business)) as admin, admin.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == ((1,),)
