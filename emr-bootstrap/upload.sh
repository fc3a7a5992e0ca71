#!/usr/bin/env bash
# Uploads tablehaul to a folder in S3 from which EMR clusters install it, and prints the lines for a pipeline.
#   upload.sh s3://BUCKET/FOLDER ARCHIVE...      archives: dist/tablehaul-VERSION-ARCH-linux.tar.gz, of one version
# Needs the AWS CLI, with s3:PutObject on the folder.
set -euo pipefail
die() {
  echo "upload.sh: $*" >&2
  exit 1
}
[ $# -ge 2 ] || die "usage: upload.sh s3://BUCKET/FOLDER ARCHIVE..."
folder=${1%/}
[[ $folder =~ ^s3://[a-z0-9][a-z0-9.-]+/[A-Za-z0-9/._-]+$ ]] ||
  die "$1: give a folder in S3, of letters, digits and /._- (commas would cut the step)"
shift
here=$(cd "$(dirname "$0")" && pwd)

version=
sums=
for archive; do
  name=${archive##*/}
  [[ $name =~ ^tablehaul-(.+)-(x86_64|aarch64)-linux\.tar\.gz$ ]] ||
    die "$archive: not named tablehaul-VERSION-ARCH-linux.tar.gz"
  [ -z "$version" ] || [ "$version" = "${BASH_REMATCH[1]}" ] || die "$archive: not version $version, as the first archive"
  version=${BASH_REMATCH[1]}
  [ -r "$archive" ] || die "$archive cannot be read"
  sums+=" $(sha256sum <"$archive" | cut -d ' ' -f 1)"
done
sums=${sums# }

run=$(mktemp)
trap 'rm -f "$run"' EXIT
sed -e "s|^folder=\$|folder=$folder|" -e "s|^version=\$|version=$version|" -e "s|^sums=\$|sums='$sums'|" \
  -e "s|^install_sum=\$|install_sum=$(sha256sum <"$here/install.sh" | cut -d ' ' -f 1)|" "$here/run.sh" >"$run"

# run.sh comes last: what it names must be there.
for archive; do
  aws s3 cp --only-show-errors "$archive" "$folder/${archive##*/}" || die "$folder cannot be written to"
done
aws s3 cp --only-show-errors "$here/install.sh" "$folder/install.sh" || die "$folder cannot be written to"
aws s3 cp --only-show-errors "$run" "$folder/run.sh" || die "$folder cannot be written to"

cat <<END
uploaded version $version to $folder
with a bootstrap action, as two fields:
  "bootstrapAction": "$folder/install.sh,$folder,$version,${sums// /,}"
  "step": "command-runner.jar,/home/hadoop/tablehaul/tablehaul,CLASS,ARGUMENTS"
or with the step alone:
  "step": "s3://REGION.elasticmapreduce/libs/script-runner/script-runner.jar,$folder/run.sh,CLASS,ARGUMENTS"
END
