#!/bin/sh
# Prints the path of a docker command line of the version that the tests are made for.
#
# That is WHARF_TEST_DOCKER or the machine's own if it fits, else Debian's package, taken by apt
# from the mirror that the machine already uses and unpacked beside, without installing it.
set -eu
cd "$(dirname "$0")/.."
. scripts/project.sh

major=28
tools=$(realpath -m "$target_dir/tools")
fetched=$tools/docker-cli/usr/bin/docker

fits() {
    case $("$1" --version 2> /dev/null || true) in
    "Docker version $major."*) true ;;
    *) false ;;
    esac
}

for candidate in "${WHARF_TEST_DOCKER-}" "$(command -v docker || true)" "$fetched"; do
    if [ -n "$candidate" ] && fits "$candidate"; then
        echo "$candidate"
        exit 0
    fi
done

without() {
    fail "the docker CLI $major, which the tests drive, cannot be had: $1
set WHARF_TEST_DOCKER to one, or put one on the path"
}

command -v apt-get > /dev/null || without 'there is no apt to fetch it with'

# The first source of the machine's own suite, whatever form the sources are written in.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
# shellcheck disable=SC2016 # the dollar signs are apt's
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    sed -n "s/^$codename //p" | head -n 1)
[ -n "$mirror" ] || without 'apt has no source for the suite that this machine runs'

# Lists, cache and state of our own: nothing of the machine's changes.
apt=$tools/apt
rm -rf "$apt" "$tools/download"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$tools/download"
: > "$apt/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=''
[ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
echo "deb ${signed}$mirror sid main" > "$apt/sources.list"

private_apt() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Check-Valid-Until=false "$@" >&2
}

echo "Fetching the docker CLI $major for the tests" >&2
private_apt update || without 'apt-get update failed'
(cd "$tools/download" && private_apt download docker-cli) || without 'apt-get download failed'
rm -rf "$tools/docker-cli"
dpkg-deb -x "$tools"/download/docker-cli_*.deb "$tools/docker-cli"
rm -rf "$apt" "$tools/download"
fits "$fetched" || without "the package has $("$fetched" --version 2>&1 | head -n 1)"
echo "$fetched"
