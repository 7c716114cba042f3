"""What users of testcontainers for Python do: start, wait, look in, stop; plain and by modules.

Prints `case NAME<tab>pass|fail<tab>ERROR` lines. Containers that need no network come first:
what a suite without networks can do must work without networks.
"""

import traceback

from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network
from testcontainers.core.waiting_utils import wait_for_logs
from testcontainers.postgres import PostgresContainer
from testcontainers.redis import RedisContainer


def generic_container():
    with DockerContainer("busybox:latest").with_command("sleep 1000") as box:
        code, output = box.exec(["sh", "-c", "echo inside; exit 3"])
        assert (code, output) == (3, b"inside\n"), (code, output)
        assert box.get_wrapped_container().status in ("created", "running")


def waits_for_a_line():
    script = "echo first; echo ready >&2; sleep 1000"
    box = DockerContainer("alpine:latest").with_command(["sh", "-c", script])
    with box:
        assert wait_for_logs(box, "ready", timeout=20) is not None
        out, err = box.get_logs()
        assert (out, err) == (b"first\n", b"ready\n"), (out, err)


def environment_and_binds():
    box = (DockerContainer("busybox:latest").with_env("NAME", "a value")
           .with_volume_mapping("/etc/hostname", "/given", "ro")
           .with_command(["sh", "-c", "echo $NAME; cat /given; sleep 1000"]))
    with box:
        wait_for_logs(box, "a value", timeout=20)


def redis_without_a_port():
    box = DockerContainer("redis:7")
    with box:
        wait_for_logs(box, "Ready to accept connections", timeout=30)
        code, output = box.exec(["redis-cli", "set", "k", "v"])
        assert (code, output) == (0, b"OK\n"), (code, output)


def postgres_without_a_port():
    box = DockerContainer("postgres:15").with_env("POSTGRES_PASSWORD", "secret")
    with box:
        # On stdout while the database is made, on stderr when it serves.
        wait_for_logs(box, "ready to accept connections", timeout=40, predicate_streams_and=True)
        query = ["psql", "-h", "/var/run/postgresql", "-U", "postgres", "-tAc", "select 6*7"]
        code, output = box.exec(["env", "PGPASSWORD=secret", *query])
        assert (code, output) == (0, b"42\n"), (code, output)


def nothing_is_left():
    client = DockerClient().client
    before = {container.id for container in client.containers.list(all=True)}
    with DockerContainer("busybox:latest").with_command("sleep 1000") as box:
        assert box.get_wrapped_container().id not in before
    assert {container.id for container in client.containers.list(all=True)} == before


def redis_module():
    with RedisContainer("redis:7") as redis:
        client = redis.get_client()
        client.set("k", "v")
        assert client.get("k") == b"v"


def postgres_module():
    import sqlalchemy

    with PostgresContainer("postgres:15", driver="psycopg2") as postgres:
        engine = sqlalchemy.create_engine(postgres.get_connection_url())
        with engine.begin() as connection:
            assert connection.execute(sqlalchemy.text("select 6*7")).scalar() == 42


def network_with_a_name():
    with Network() as network:
        box = (DockerContainer("busybox:latest").with_network(network)
               .with_network_aliases("box").with_command("sleep 1000"))
        with box:
            code, _ = box.exec(["nslookup", "box"])
            assert code == 0


CASES = [generic_container, waits_for_a_line, environment_and_binds, redis_without_a_port,
         postgres_without_a_port, nothing_is_left, redis_module, postgres_module,
         network_with_a_name]


def main():
    for case in CASES:
        try:
            case()
            print(f"case python/{case.__name__}\tpass", flush=True)
        except Exception as error:  # whatever a library throws is the result
            traceback.print_exc()
            text = " ".join(f"{type(error).__name__}: {error}".split())[:1000]
            print(f"case python/{case.__name__}\tfail\t{text}", flush=True)


main()
