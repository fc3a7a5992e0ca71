#!/bin/bash
# Bootstrap action of EMR: installs tablehaul on the leader node, into /home/hadoop/tablehaul. Does nothing on other nodes.
#   install.sh s3://BUCKET/FOLDER VERSION SHA256 [SHA256]
# FOLDER has tablehaul-VERSION-ARCH-linux.tar.gz. Give the checksum of each architecture that the cluster may have.
# The last line of standard error says why it failed; EMR keeps it in LOGS/j-…/node/i-…/bootstrap-actions/N/stderr.gz.
set -euo pipefail

home=/home/hadoop
info=/mnt/var/lib/info/instance.json
tries=3

die() {
  echo "tablehaul: $*" >&2
  exit 1
}
last_line() { grep -v '^[[:space:]]*$' <<<"$1" | tail -n 1; }
trap 'die "install.sh failed in line $LINENO: $BASH_COMMAND"' ERR

[ -r "$info" ] || die "$info is missing: install.sh runs on the nodes of an EMR cluster only"
# A failure on any node would end the cluster; only the leader needs tablehaul.
leader=$(tr -d '[:space:]' <"$info")
[[ $leader == *'"isMaster":'* ]] || die "$info does not say whether this node is the leader (isMaster)"
[[ $leader == *'"isMaster":true'* ]] || exit 0

[ $# -ge 3 ] || die "usage: install.sh s3://BUCKET/FOLDER VERSION SHA256..., not: install.sh $*"
folder=${1%/} version=$2 sums=" ${*:3} "
arch=$(uname -m)
object=$folder/tablehaul-$version-$arch-linux.tar.gz

# Versions lie beside each other, so that a running job keeps its files; a symbolic link points to the current one.
versions=$home/.tablehaul
mkdir -p "$versions" 2>/dev/null || die "$versions cannot be created: run install.sh as user hadoop"
[ -w "$versions" ] || die "$versions cannot be written to: run install.sh as user hadoop"
exec 9>"$versions/lock"
flock 9 # steps may run at the same time

# fetch FILE: downloads the archive and sets $sum. A download that was cut short has another checksum.
fetch() {
  local said='' try
  command -v aws >/dev/null || die "the AWS CLI (aws) is missing on this node: use an image that has it, as those of EMR do"
  for ((try = 1; try <= tries; try++)); do
    [ "$try" = 1 ] || sleep $((try * try))
    if said=$(aws s3 cp --only-show-errors "$object" "$1" 2>&1); then
      sum=$(sha256sum "$1" | cut -d ' ' -f 1)
      [[ $sums != *" $sum "* ]] || return 0
      said=''
    else
      case $said in
      *'(403)'* | *AccessDenied*) die "no permission to read $object: allow the instance profile s3:GetObject on it, or upload it" ;;
      *'(404)'* | *NoSuchKey*) die "$object does not exist: upload it, or correct folder and version" ;;
      *NoSuchBucket*) die "the bucket of $object does not exist" ;;
      *'(301)'* | *PermanentRedirect*) die "$object is in another region: use a bucket in the region of the cluster" ;;
      *'No space left'* | *'Errno 28'*) die "no space left in $versions for $object" ;;
      esac
    fi
  done
  [ -z "$said" ] || die "$object cannot be read, tried $tries times: $(last_line "$said")"
  die "$object is not what was asked for: its SHA-256 is $sum, not${sums% }"
}

# The sum of what is installed is the name of its folder.
installed=
for sum in $sums; do
  [ ! -x "$versions/$sum/tablehaul" ] || installed=$versions/$sum
done
if [ -z "$installed" ]; then
  work=$(mktemp -d -p "$versions" new.XXXXXX 2>/dev/null) || die "no space left in $versions, or no permission"
  trap 'rm -rf "$work"' EXIT
  fetch "$work/archive"
  said=$(tar xzf "$work/archive" -C "$work" --strip-components 1 2>&1) ||
    die "$object cannot be unpacked in $versions: $(last_line "${said//$'tar: Exiting with failure status due to previous errors'/}")"
  rm "$work/archive"
  said=$("$work/tablehaul" --version 2>&1) || die "tablehaul of $object does not run on this node ($arch): $(last_line "$said")"
  [ -x "$work/tablehaul-worker" ] || die "$object holds no tablehaul-worker"
  chmod 755 "$work"
  installed=$versions/$sum
  rm -rf "$installed"
  mv "$work" "$installed"
fi
ln -s "$installed" "$versions/link.$$"
mv -T "$versions/link.$$" "$home/tablehaul" || die "$home/tablehaul is in the way: remove it"
# For people at the shell of the node; steps give the path.
sudo -n ln -sfn "$home/tablehaul/tablehaul" /usr/local/bin/tablehaul 2>/dev/null || true
