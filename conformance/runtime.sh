#!/usr/bin/env bash
# Runs other people's suites of OCI runtimes against wharf-runtime, see runtime_suites.py.
#
#   conformance/runtime.sh runtime-tools|runc-bats CHECKOUT [--only PATTERN] [--update]
set -eu
exec python3 "$(dirname "${BASH_SOURCE[0]}")/runtime_suites.py" "$@"
