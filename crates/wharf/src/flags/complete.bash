# Names that the engine of this command line knows.
_wharf_list() {
  if [ -n "$host" ]; then wharf -H "$host" "$@" 2>/dev/null; else wharf "$@" 2>/dev/null; fi |
    grep -v '<none>'
}

_wharf_values() {
  case $1 in
    VALUE_CASES
  esac
}

_wharf() {
  local line="${COMP_LINE:0:$COMP_POINT}" verb='' flags='' takes=' ' host='' word='' wants=''
  local all='' cut='' at=0
  # By blanks alone: bash would also split at colons, which image names and sockets have.
  set -f
  set -- $line
  set +f
  case $line in *' ') set -- "$@" '' ;; esac
  shift
  _wharf_names() { :; }
  while [ $# -gt 1 ]; do
    word=$1
    shift
    if [ -n "$wants" ]; then
      case $wants in -H|--host) host=$word ;; esac
      wants=''
      continue
    fi
    case $word in
      -H|--host) wants=$word ;;
      -l|--log-level) [ -z "$verb" ] && wants=$word ;;
    esac
    case $word in
      -*) case $takes in *" $word "*) wants=$word ;; esac ;;
      *)
        case $verb in
          '') verb=$word; _wharf_verb "$verb" ;;
          GROUPS) verb="$verb $word"; _wharf_verb "$verb" ;;
        esac ;;
    esac
  done
  word=${1-}
  COMPREPLY=()
  if [ -n "$wants" ]; then
    all=$(_wharf_values "$wants")
    if [ -n "$all" ]; then
      COMPREPLY=($(compgen -W "$all" -- "$word"))
    else
      COMPREPLY=($(compgen -f -- "$word"))
    fi
  else
    case $verb in
      ''|GROUPS)
        _wharf_verb "$verb"
        COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
      *)
        case $word in
          -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
          *)
            COMPREPLY=($(compgen -W "$(_wharf_names)" -- "$word"))
            [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$word")) ;;
        esac ;;
    esac
  fi
  # Bash replaces only what stands behind the last colon.
  case "${COMP_WORDBREAKS-}$word" in
    *:*:*)
      cut="${word%"${word##*:}"}"
      for ((at = 0; at < ${#COMPREPLY[@]}; at++)); do
        COMPREPLY[at]=${COMPREPLY[at]#"$cut"}
      done ;;
  esac
}

_wharf_verb() {
  case $1 in
    '') flags='TOP_WORDS' ;;
    VERB_CASES
  esac
}
complete -F _wharf wharf
