# What a user of docker-compose 1.29 does; sourced by suites.py's runner. `check NAME COMMAND`
# prints a line per case. $COMPOSE is the program.
set -u
cd "$(dirname "$0")"
export COMPOSE_PROJECT_NAME=proj

check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then
        printf 'case %s\tpass\n' "$name"
    else
        said=$(printf %s "$said" | tr "\t\n\r" "   " | tail -c 600)
        printf "case %s\tfail\t%s\n" "$name" "$said"
    fi
}
compose() { $COMPOSE "$@"; }
says() {
    text=$1
    shift
    said=$("$@" 2>&1) || { echo "$said"; return 1; }
    case $said in *"$text"*) ;; *) echo "expected $text in: $said"; return 1 ;; esac
}
counts() {
    number=$1
    shift
    found=$("$@" | wc -l)
    [ "$found" = "$number" ] || { echo "$found, not $number"; return 1; }
}

check config says 'mem_limit: 64m' compose config
check up compose up -d
check up-again says 'up-to-date' compose up -d
check ps says 'proj_ready_1' compose ps
check ps-q counts 2 compose ps -q
check logs says 'ready says hello' compose logs
check logs-tail says 'after says hello' compose logs --tail 1 after
check exec says 'a value' compose exec -T ready sh -c 'echo $GIVEN'
check exec-mount says 'docker-compose.yml' compose exec -T ready ls /here
check run says 'one-off' compose run --rm -T after echo one-off
check top says 'sleep 1000' compose top
check pause compose pause ready
check unpause compose unpause ready
check restart compose restart -t 1 after
check kill compose kill -s TERM ready
check start compose start ready
check scale compose up -d --scale after=2
check scaled counts 2 compose ps -q after
check images says 'busybox' compose images
check stop compose stop -t 1
check stopped says 'Exit' compose ps
check rm compose rm -f
check down compose down -t 1
check nothing-left counts 0 docker ps -aq
check networks says 'Network' compose --project-directory . -f networks.yml up -d
check networks-down compose -f networks.yml down -t 1
