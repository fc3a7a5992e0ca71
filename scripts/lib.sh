# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts, from the root of the project: where tools are cached, headings with times, notes.
cache=${TABLEHAUL_CACHE:-$HOME/.cache/tablehaul}

# die WHAT: one line, exit 1.
die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# stage TITLE COMMAND...: runs it under a heading and says how long it took.
stage() {
  local title=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$title"
  current_stage=$title
  "$@"
  printf -- '-- %s: %d s\n' "$title" $((SECONDS - start))
}

# note WHAT: a loud line now, and again at the end of scripts/test.
note() {
  echo "!! $*"
  [ -z "${TABLEHAUL_NOTES:-}" ] || echo "!! $*" >>"$TABLEHAUL_NOTES"
}
