#!/usr/bin/env bash
# Drives an engine by clients of other ages: the docker CLIs 20.10 and 26.1 through the scenario
# `lifecycle`, side by side with dockerd, and docker-compose 1.29 through compose/lifecycle.sh.
#
#   WHARF=PATH conformance/clients.sh [--update]
#
# The clients are Debian 12's and 13's packages, unpacked below target/conformance/clients; nothing
# is installed. The tables are docker-cli-20.tsv, docker-cli-26.tsv and docker-compose-1.tsv.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wharf=$(realpath "${WHARF:-$here/../target/release/wharf}")
export WHARF=$wharf
# shellcheck source=../bench/reference.sh
. "$here/../bench/reference.sh"
clients=$here/../target/conformance/clients
COMPOSE='docker-compose python3-docker python3-dockerpty python3-docopt python3-dotenv
    python3-texttable python3-websocket python3-jsonschema python3-distro python3-yaml
    python3-requests python3-urllib3 python3-chardet python3-charset-normalizer python3-idna
    python3-certifi python3-six python3-pyrsistent python3-attr'

if [ ! -e "$clients/complete" ]; then
    rm -rf "$clients"
    mkdir -p "$clients"
    # shellcheck disable=SC2086 # one word each
    reference_unpack "$clients" bookworm docker.io $COMPOSE &&
        reference_unpack "$clients" trixie docker-cli || {
        echo 'clients skipped: their packages cannot be had'
        exit 0
    }
    touch "$clients/complete"
fi
clients=$(realpath "$clients")

worse=0
for client in 20:bookworm 26:trixie; do
    "$here/run.sh" --docker "$clients/root-${client#*:}/usr/bin/docker" --only 'lifecycle/*' \
        --table "$here/docker-cli-${client%:*}.tsv" "$@" || worse=1
done
PYTHONPATH=$clients/root-bookworm/usr/lib/python3/dist-packages \
    COMPOSE="/usr/bin/python3 $clients/root-bookworm/usr/bin/docker-compose" \
    python3 "$here/../bench/keeper.py" --parent "${BENCH_DIR:-/var/tmp}" \
    python3 "$here/suites.py" --wharf "$wharf" docker-compose-1 "$@" || worse=1
exit $worse
