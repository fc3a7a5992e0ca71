#!/bin/bash
# Script for EMR's script-runner: runs tablehaul with its arguments, and installs it first if it is not there.
#   step: s3://REGION.elasticmapreduce/libs/script-runner/script-runner.jar,s3://BUCKET/FOLDER/run.sh,ARGUMENT,...
# upload.sh writes the next lines when it uploads this file.
folder=
version=
install_sum=
sums=

set -euo pipefail
die() {
  echo "tablehaul: $*" >&2
  exit 1
}
[ -n "$folder" ] || die "run.sh does not know where tablehaul is: upload it with upload.sh"

# Fetches install.sh, makes sure that it is the one of this upload, runs it.
install() {
  local script try said=''
  command -v aws >/dev/null || die "the AWS CLI (aws) is missing on this node: use an image that has it, as those of EMR do"
  script=$(mktemp)
  for try in 1 2 3; do
    [ "$try" = 1 ] || sleep $((try * try))
    said=$(aws s3 cp --only-show-errors "$folder/install.sh" "$script" 2>&1) && said='' && break
  done
  [ -z "$said" ] || die "$folder/install.sh cannot be read: $(grep -v '^[[:space:]]*$' <<<"$said" | tail -n 1)"
  [ "$(sha256sum <"$script" | cut -d ' ' -f 1)" = "$install_sum" ] ||
    die "$folder/install.sh is not the one that was uploaded together with run.sh: run upload.sh again"
  # shellcheck disable=SC2086 # one checksum for each architecture
  bash "$script" "$folder" "$version" $sums || exit
  rm "$script"
}

# install.sh names the folder of what it installed by its checksum.
current=$(readlink /home/hadoop/tablehaul || true)
[[ -n $current && " $sums " == *" ${current##*/} "* ]] || install
# The signals of CancelSteps must reach tablehaul, not a shell.
exec /home/hadoop/tablehaul/tablehaul "$@"
