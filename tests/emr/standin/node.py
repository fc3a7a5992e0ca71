"""A node of a cluster: a folder that is the root of its processes, with the files and the user that EMR has.

Processes run in a mount namespace of their own, so nothing of the machine changes. As root they run as user hadoop
(1010), as on EMR but without sudo; else in a user namespace, where they are root.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

HADOOP = 1010
MARK = "EMR_STANDIN_NODE"
# What a node has of its own; the rest of the machine's top level is mounted into it.
OWN = "mnt home tmp root emr"

ENTER = r"""
set -e
node=$1 own=$2 visible=$3 uid=$4 home_size=$5 cwd=$6 search=$7; shift 7
mount --make-rprivate /
root=$node/root
mount -t tmpfs -o mode=755 node "$root"
for path in /*; do
  name=${path#/}
  [[ " $own " != *" $name "* ]] || continue
  if [ -L "$path" ]; then cp -P "$path" "$root/"
  elif [ -d "$path" ]; then mkdir "$root/$name"; mount --rbind "$path" "$root/$name"; fi
done
mkdir -p "$root"/{root,home/hadoop,mnt,tmp,emr}
for name in mnt tmp emr home/hadoop; do mount --bind "$node/$name" "$root/$name"; done
IFS=:
for path in $visible; do [ -e "$root$path" ] || { mkdir -p "$root$path"; mount --rbind "$path" "$root$path"; }; done
unset IFS
[ -z "$home_size" ] || mount -t tmpfs -o "size=$home_size,uid=$uid" home "$root/home/hadoop"
mount --bind "$node/passwd" "$root/etc/passwd"
mount --bind "$node/bin" "$root/usr/local/bin"
become=()
[ "$uid" = 0 ] || become=(setpriv --reuid "$uid" --regid "$uid" --clear-groups --)
exec chroot "$root" "${become[@]}" /bin/bash -c 'cd "$1"; export PATH=$2; shift 2; exec "$@"' sh "$cwd" "$search" "$@"
"""


class Node:
    """One instance. `tools` are commands of its /usr/local/bin, which is first in PATH: {"aws": "#!/bin/sh…"}."""

    def __init__(self, folder, instance="i-0", cluster="j-0", leader=True, tools=None, visible=(), environment=None):
        self.folder, self.instance, self.leader = pathlib.Path(folder), instance, leader
        self.environment = {**environment} if environment else {}
        self.home_size = ""  # bytes of a home folder that starts empty and is small
        # An interpreter in a home folder stays where it is.
        self.visible = [sys.base_prefix, sys.prefix, *map(str, visible)]
        for name in "root bin mnt/var/lib/info mnt/var/lib/hadoop/steps mnt/var/log home/hadoop tmp emr/metricscollector".split():
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        info = self.folder / "mnt/var/lib/info"
        self.write(info / "instance.json", json.dumps({"isMaster": leader, "isRunningNameNode": leader, "instanceGroupId": "ig-1"}, indent=2))
        self.write(info / "job-flow.json", json.dumps({"jobFlowId": cluster}, indent=2))
        self.write(self.folder / "passwd", f"root:x:0:0:root:/root:/bin/bash\nhadoop:x:{HADOOP}:{HADOOP}::/home/hadoop:/bin/bash\n")
        for name, text in (tools or {}).items():
            self.tool(name, text)
        os.chmod(self.folder / "tmp", 0o1777)
        if os.geteuid() == 0:
            for name in ("home/hadoop", "mnt/var/lib/hadoop", "mnt/var/lib/hadoop/steps", "mnt/var/log", "emr/metricscollector"):
                os.chown(self.folder / name, HADOOP, HADOOP)

    @staticmethod
    def write(path, text, mode=0o644):
        path.write_text(text)
        path.chmod(mode)

    def tool(self, name, text):
        """Puts a command into /usr/local/bin; without a text it removes it."""
        path = self.folder / "bin" / name
        path.unlink(missing_ok=True)
        if text:
            self.write(path, text, 0o755)

    def start(self, argv, cwd="/", environment=None, stdout=None, stderr=None):
        """Starts a process. Its pid is that of the command itself, so a signal reaches it."""
        mine = self.folder / "mnt" / cwd.removeprefix("/mnt/") if cwd.startswith("/mnt/") else None
        if mine and not mine.exists():
            mine.mkdir(parents=True)
            if os.geteuid() == 0:
                os.chown(mine, HADOOP, HADOOP)
        # As after a login of hadoop. There is no AWS_REGION on EMR.
        standard = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        env = {
            "HOME": "/home/hadoop",
            "USER": "hadoop",
            "LOGNAME": "hadoop",
            "LANG": "C.UTF-8",
            MARK: str(self.folder),
            **self.environment,
            **(environment or {}),
        }
        path = env.get("PATH", standard)
        env["PATH"] = standard
        uid, unshare = (HADOOP, "-m") if os.geteuid() == 0 else (0, "-rm")
        entering = ["unshare", unshare, "/bin/bash", "-c", ENTER, "enter"]
        entering += [str(self.folder), OWN, ":".join(self.visible), str(uid), self.home_size, cwd, path]
        return subprocess.Popen([*entering, *argv], env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True)

    def run(self, argv, **options):
        """Runs a command to its end: (exit code, stdout, stderr)."""
        process = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        out, err = process.communicate()
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def pids(self):
        """Every process of this node, also those that left the group of the step."""
        mark = f"{MARK}={self.folder}".encode()
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    if mark in pathlib.Path(entry.path, "environ").read_bytes().split(b"\0"):
                        yield int(entry.name)
                except OSError:
                    pass

    def kill(self):
        """SIGKILL to all of its processes, until there are none. Who started them waits for them: whoever waits first takes
        the exit code away."""
        while pids := list(self.pids()):
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
