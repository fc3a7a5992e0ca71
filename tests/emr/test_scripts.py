"""install.sh and run.sh on a node, with the real AWS CLI and an S3; what cannot be made to happen is a stub `aws`."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

import support
from standin.metadata import Metadata
from standin.node import Node

FOLDER = "s3://mybucket/tablehaul"
HOME = "/home/hadoop/tablehaul"


def program(text):
    """A tablehaul of a few bytes that says who it is."""
    return f'#!/bin/sh\n[ "$1" != --version ] || exec echo {text}\necho {text} "$@"; env >/tmp/env\n'


def files(text="one"):
    return {"tablehaul": program(text), "tablehaul-worker": "#!/bin/sh\n"}


class Scripts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.give_s3(cls)
        cls.metadata = Metadata(support.REGION, "node", lambda: ("testkey", "testsecret", None))
        cls.addClassCleanup(cls.metadata.close)
        cls.data = support.archive(files())
        cls.sum = support.sum_of(cls.data)
        cls.name = f"tablehaul-{support.VERSION}-{support.ARCH}-linux.tar.gz"
        cls.printed = support.upload(cls.s3_server.url, FOLDER, {cls.name: cls.data})

    def node(self, leader=True, aws=None):
        folder = tempfile.mkdtemp(prefix="node-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        environment = {"AWS_ENDPOINT_URL_S3": self.s3_server.url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url}
        node = Node(folder, leader=leader, tools={"aws": aws or support.aws_tool()}, visible=[support.CACHE / "aws"], environment=environment)
        # As EMR does: scripts are copied to the node first.
        shutil.copy(support.BOOTSTRAP / "install.sh", node.folder / "tmp/install.sh")
        self.s3.download_file("mybucket", "tablehaul/run.sh", str(node.folder / "tmp/run.sh"))
        (node.folder / "tmp/run.sh").chmod(0o755)
        # Waiting between tries is not what is tested here; as long as it is, it is short.
        node.tool("sleep", "#!/bin/sh\nexec /bin/sleep 0.05\n")
        return node

    def install(self, node, *arguments, **options):
        arguments = arguments or (FOLDER, support.VERSION, "0" * 64, self.sum)
        return node.run(["/tmp/install.sh", *arguments], **options)

    def refused(self, done, words):
        code, _, err = done
        self.assertEqual(code, 1, err)
        self.assertRegex(support.last_line(err), "^tablehaul: ")
        self.assertIn(words, support.last_line(err))

    def says(self, node):
        return node.run([f"{HOME}/tablehaul", "hello"])[1].strip()

    # The ways that work.

    def test_the_leader_gets_it_within_seconds(self):
        node, start = self.node(), time.monotonic()
        code, out, err = self.install(node)
        took = time.monotonic() - start
        self.assertEqual((code, out, err), (0, "", ""))
        self.assertEqual(self.says(node), "one hello")
        self.assertTrue((node.folder / "home/hadoop/.tablehaul" / self.sum / "tablehaul-worker").exists())
        self.assertEqual(sorted(path.name for path in (node.folder / "home/hadoop/.tablehaul").iterdir()), sorted([self.sum, "lock"]))
        self.assertLess(took, 15)
        print(f"install.sh took {took:.1f} s", flush=True)

    def test_other_nodes_get_nothing_whatever_the_arguments(self):
        node = self.node(leader=False, aws="#!/bin/sh\nexit 1\n")
        self.assertEqual(self.install(node, "nonsense"), (0, "", ""))
        self.assertEqual(list((node.folder / "home/hadoop").iterdir()), [])

    def test_a_second_run_downloads_nothing(self):
        node = self.node()
        self.assertEqual(self.install(node)[0], 0)
        node.tool("aws", "#!/bin/sh\nexit 1\n")
        self.assertEqual(self.install(node), (0, "", ""))
        self.assertEqual(self.says(node), "one hello")

    def test_two_runs_at_once_install_once(self):
        node = self.node(aws=f'#!/bin/bash\necho x >>/tmp/calls\n{support.aws_tool()}')
        running = [node.start(["/tmp/install.sh", FOLDER, support.VERSION, self.sum]) for _ in range(2)]
        self.assertEqual([process.wait() for process in running], [0, 0])
        self.assertEqual((node.folder / "tmp/calls").read_text(), "x\n")

    def test_another_version_takes_its_place_and_leaves_a_running_one_alone(self):
        node, other = self.node(), support.archive(files("two"), "0.2.0")
        self.assertEqual(self.install(node)[0], 0)
        self.s3.put_object(Bucket="mybucket", Key=f"tablehaul/tablehaul-0.2.0-{support.ARCH}-linux.tar.gz", Body=other)
        self.assertEqual(self.install(node, FOLDER, "0.2.0", support.sum_of(other))[0], 0)
        self.assertEqual(self.says(node), "two hello")
        self.assertTrue((node.folder / "home/hadoop/.tablehaul" / self.sum / "tablehaul").exists())

    def test_each_architecture_has_its_own_archive(self):
        node = self.node()
        node.tool("uname", "#!/bin/sh\necho aarch64\n")
        arm = support.archive(files("arm"))
        self.s3.put_object(Bucket="mybucket", Key="both/tablehaul-0.1.0-aarch64-linux.tar.gz", Body=arm)
        self.assertEqual(self.install(node, "s3://mybucket/both", "0.1.0", self.sum, support.sum_of(arm))[0], 0)
        self.assertEqual(self.says(node), "arm hello")

    def test_a_download_that_is_cut_short_is_tried_again(self):
        # As the CLI when the disk or the network plays tricks: half a file, and success.
        cut = 'for last; do :; done\n[ -e /tmp/tried ] || { touch /tmp/tried; head -c 100 /dev/zero >"$last"; exit 0; }\n'
        node = self.node(aws=support.aws_tool().replace("exec", cut + "exec"))
        self.assertEqual(self.install(node)[0], 0)
        self.assertEqual(self.says(node), "one hello")

    def test_a_failing_s3_is_tried_again(self):
        fail = "echo x >>/tmp/calls\n[ $(wc -l </tmp/calls) = 3 ] || { echo 'fatal error: Connect timeout' >&2; exit 1; }\n"
        node = self.node(aws=support.aws_tool().replace("exec", fail + "exec"))
        self.assertEqual(self.install(node)[0], 0)
        node = self.node(aws="#!/bin/sh\necho x >>/tmp/calls; echo 'fatal error: Connect timeout' >&2; exit 1\n")
        self.refused(self.install(node), f"{FOLDER}/{self.name} cannot be read, tried 3 times: fatal error: Connect timeout")
        self.assertEqual((node.folder / "tmp/calls").read_text(), "x\n" * 3)

    # The ways that do not, each with its line.

    def test_a_wrong_checksum(self):
        node = self.node()
        self.refused(self.install(node, FOLDER, support.VERSION, "0" * 64), f"is not what was asked for: its SHA-256 is {self.sum}, not {'0' * 64}")
        self.assertFalse((node.folder / "home/hadoop/tablehaul").exists())
        self.assertEqual([path.name for path in (node.folder / "home/hadoop/.tablehaul").iterdir()], ["lock"])

    def test_a_missing_archive_and_a_missing_bucket(self):
        self.refused(self.install(self.node(), FOLDER, "9.9.9", self.sum), "does not exist: upload it, or correct folder and version")
        self.refused(self.install(self.node(), "s3://otherbucket/x", "0.1.0", self.sum), "s3://otherbucket/x/tablehaul-0.1.0-")

    def test_no_permission(self):
        node = self.node()
        node.environment |= {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "wrong"}
        self.refused(self.install(node), "no permission to read")

    def test_a_bucket_of_another_region_that_the_cli_does_not_find(self):
        said = "fatal error: An error occurred (301) when calling the HeadObject operation: Moved Permanently"
        node = self.node(aws=f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        self.refused(self.install(node), "is in another region: use a bucket in the region of the cluster")

    def test_no_aws_cli(self):
        node = self.node()
        # Nothing of this machine's in the way.
        node.environment["PATH"] = "/tmp/bin"
        (node.folder / "tmp/bin").mkdir()
        for name in "bash tr uname mkdir flock mktemp rm readlink".split():
            os.symlink(shutil.which(name), node.folder / "tmp/bin" / name)
        self.refused(self.install(node), "the AWS CLI (aws) is missing on this node")
        self.refused(node.run(["/tmp/run.sh", "x"]), "the AWS CLI (aws) is missing on this node")

    def test_no_space(self):
        big = support.archive({"tablehaul": "#" * 10, "tablehaul-worker": os.urandom(200_000).hex()})
        self.s3.put_object(Bucket="mybucket", Key=f"big/{self.name}", Body=big)
        zeros = support.archive({"tablehaul": "#" * 10, "tablehaul-worker": "0" * 200_000})
        self.s3.put_object(Bucket="mybucket", Key=f"zeros/{self.name}", Body=zeros)
        for folder, data, words in [("big", big, "no space left in"), ("zeros", zeros, "cannot be unpacked in /home/hadoop/.tablehaul: ")]:
            node = self.node()
            node.home_size = "65536"
            self.refused(self.install(node, f"s3://mybucket/{folder}", support.VERSION, support.sum_of(data)), words)

    def test_not_user_hadoop(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to be another user")
        node = self.node()
        os.chown(node.folder / "home/hadoop", 0, 0)
        self.refused(self.install(node), "/home/hadoop/.tablehaul cannot be created: run install.sh as user hadoop")
        (node.folder / "home/hadoop/.tablehaul").mkdir()
        self.refused(self.install(node), "/home/hadoop/.tablehaul cannot be written to: run install.sh as user hadoop")

    def test_binaries_that_do_not_run_here(self):
        data = support.archive({"tablehaul": "#!/no/such/loader\n", "tablehaul-worker": ""})
        self.s3.put_object(Bucket="mybucket", Key=f"alien/{self.name}", Body=data)
        self.refused(self.install(self.node(), "s3://mybucket/alien", "0.1.0", support.sum_of(data)), f"does not run on this node ({support.ARCH})")

    def test_something_is_in_the_way(self):
        node = self.node()
        (node.folder / "home/hadoop/tablehaul").mkdir()
        self.refused(self.install(node), "/home/hadoop/tablehaul is in the way: remove it")

    def test_no_node_and_no_arguments(self):
        node = self.node()
        self.refused(node.run(["/tmp/install.sh", FOLDER]), "usage: install.sh s3://BUCKET/FOLDER VERSION SHA256...")
        info = node.folder / "mnt/var/lib/info/instance.json"
        info.write_text("{}")
        self.refused(self.install(node), "does not say whether this node is the leader (isMaster)")
        info.unlink()
        self.refused(self.install(node), "install.sh runs on the nodes of an EMR cluster only")

    # run.sh.

    def test_run_installs_and_becomes_tablehaul(self):
        node = self.node()
        code, out, err = node.run(["/tmp/run.sh", "org.apache.hadoop.dynamodb.tools.DynamoDBExport", "s3://mybucket/x y", "Forum", ""])
        self.assertEqual((code, out, err), (0, "one org.apache.hadoop.dynamodb.tools.DynamoDBExport s3://mybucket/x y Forum \n", ""))
        node.tool("aws", "#!/bin/sh\nexit 1\n")
        self.assertEqual(node.run(["/tmp/run.sh", "again"]), (0, "one again\n", ""))

    def test_a_signal_reaches_tablehaul_and_its_exit_code_comes_back(self):
        data = support.archive({"tablehaul": '#!/bin/bash\n[ "$1" != --version ] || exit 0\ntrap "echo bye; exit 3" TERM\ntouch /tmp/up\nwhile :; do /bin/sleep 0.1; done\n', "tablehaul-worker": ""})
        support.upload(self.s3_server.url, "s3://mybucket/signal", {self.name: data})
        node = self.node()
        self.s3.download_file("mybucket", "signal/run.sh", str(node.folder / "tmp/run.sh"))
        (node.folder / "tmp/run.sh").chmod(0o755)
        process = node.start(["/tmp/run.sh", "x"], stdout=subprocess.PIPE)
        support.wait_for("tablehaul", (node.folder / "tmp/up").exists)
        process.terminate()
        self.assertEqual((process.communicate()[0], process.returncode), (b"bye\n", 3))

    def test_run_refuses_an_install_script_of_another_upload(self):
        node = self.node()
        text = (node.folder / "tmp/run.sh").read_text()
        (node.folder / "tmp/run.sh").write_text(text.replace("install_sum=", "install_sum=0", 1))
        self.refused(node.run(["/tmp/run.sh", "x"]), "is not the one that was uploaded together with run.sh")

    def test_run_passes_on_why_install_failed(self):
        node = self.node()
        text = (node.folder / "tmp/run.sh").read_text()
        (node.folder / "tmp/run.sh").write_text(text.replace(self.sum, "0" * 64))
        self.refused(node.run(["/tmp/run.sh", "x"]), "is not what was asked for")
        shutil.copy(support.BOOTSTRAP / "run.sh", node.folder / "tmp/run.sh")
        self.refused(node.run(["/tmp/run.sh", "x"]), "upload it with upload.sh")
        (node.folder / "tmp/run.sh").write_text(text.replace("folder=s3://mybucket/tablehaul", "folder=s3://mybucket/nothing"))
        self.refused(node.run(["/tmp/run.sh", "x"]), "s3://mybucket/nothing/install.sh cannot be read: ")

    # upload.sh.

    def test_upload_prints_what_a_pipeline_needs(self):
        self.assertIn(f'"bootstrapAction": "{FOLDER}/install.sh,{FOLDER},0.1.0,{self.sum}"', self.printed)
        self.assertIn(f"script-runner.jar,{FOLDER}/run.sh,CLASS", self.printed)

    def test_upload_refuses_what_would_not_work(self):
        for folder, name, words in [
            ("s3://mybucket", self.name, "give a folder in S3"),
            ("s3://mybucket/a,b", self.name, "give a folder in S3"),
            (FOLDER, "tablehaul.tar.gz", "not named tablehaul-VERSION-ARCH-linux.tar.gz"),
        ]:
            with self.assertRaisesRegex(RuntimeError, words):
                support.upload(self.s3_server.url, folder, {name: self.data})
        with self.assertRaisesRegex(RuntimeError, "not version"):
            support.upload(self.s3_server.url, FOLDER, {self.name: self.data, "tablehaul-0.2.0-aarch64-linux.tar.gz": self.data})


if __name__ == "__main__":
    unittest.main()
