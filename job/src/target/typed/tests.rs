use super::*;

/// The message for a mistake.
fn said(text: &str) -> String {
    typed(text).expect_err(text).to_string()
}

#[test]
fn urls_of_ours_and_paths_are_told_apart() {
    for url in ["s3://b/x", "s3n://b", "s3a://b//x", "file:/x", "file:///x", "file://localhost/x"] {
        assert_eq!(typed(url), Ok(Typed::Url), "{url}");
    }
    for path in [
        "",
        "/x",
        "x",
        "x/y",
        "./s3:/b/x",
        "../x",
        ".",
        "/tmp/a:b",
        "/tmp/s3://b",
        "backup-2026-01-01T00:00",
        "2026:x",
        "backups/2026-01-01T00:00:00",
        "a b:c",
        "s3/b/x",
        "exports//x",
        "mybucket/exports",
        "./C:\\x",
    ] {
        assert_eq!(typed(path), Ok(Typed::Path), "{path}");
    }
}

#[test]
fn a_mistyped_url_of_s3_is_no_path_and_the_right_one_is_named() {
    for text in [
        "s3:/b/x",
        "s3:b/x",
        "s3:///b/x",
        "s3:////b/x/",
        "s3::b/x",
        "s3:://b/x",
        "s3:\\\\b\\x",
        "s3n:/b/x",
        "s3a:b/x",
        "S3://b/x",
        "S3A://b/x",
        "S3:/b/x",
        "s3s://b/x",
        "s3bfs://b/x",
        "s3//b/x",
        "S3//b/x",
        "s3a//b/x",
        "arn:aws:s3:::b/x",
        "arn:aws-cn:s3:::b/x/",
        "arn:aws-us-gov:s3:::b/x",
        "https://b.s3.us-east-1.amazonaws.com/x",
        "https://b.s3.amazonaws.com/x/",
        "https://b.s3-eu-west-1.amazonaws.com/x?versionId=3",
        "https://b.s3.dualstack.eu-west-1.amazonaws.com/x",
        "https://b.s3-accelerate.amazonaws.com/x",
        "https://b.s3.cn-north-1.amazonaws.com.cn/x",
        "HTTPS://s3.us-east-1.amazonaws.com/b/x",
        "http://s3.amazonaws.com/b/x",
        "https:/s3.amazonaws.com/b/x",
        "b.s3.us-east-1.amazonaws.com/x",
        "s3.amazonaws.com/b/x",
        "https://s3.console.aws.amazon.com/s3/buckets/b?region=us-east-1&prefix=x/&tab=objects",
        "https://us-east-1.console.aws.amazon.com/s3/buckets/b?prefix=x%2F",
        " s3:/b/x",
        "\"s3n:b/x\"",
    ] {
        let said = said(text);
        assert!(said.starts_with(text) && said.ends_with("did you mean s3://b/x?"), "{said}");
    }
    assert!(said("https://a.b.s3.eu-west-1.amazonaws.com/x").ends_with("did you mean s3://a.b/x?"));
    assert!(said(" s3://b/x").ends_with("write s3://b/x"));
    assert!(said("'s3://b/x'").contains("quotes"));
    assert!(said("s3:").ends_with("write s3://bucket/folder"));
}

#[test]
fn what_is_elsewhere_is_said_to_be() {
    for (text, part) in [
        ("hdfs:/x", "Hadoop"),
        ("hdfs://", "Hadoop"),
        ("hdfs:///x", "Hadoop"),
        ("HDFS://leader:8020/x", "Hadoop"),
        ("viewfs://c/x", "Hadoop"),
        ("hdfs//x", "the colon is missing"),
        ("gs://b/x", "the only cloud store"),
        ("abfss://c@a.dfs.core.windows.net/x", "the only cloud store"),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/Forum", "an ARN"),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint/a/object/x", "an access point"),
        ("arn:", "an ARN"),
        ("https://example.com/x", "a web address"),
        ("https://example.com", "s3://bucket/folder"),
        ("C:\\x", "Windows"),
        ("c:/x", "Windows"),
        ("c:x", "Windows"),
        ("file:x", "the path alone: x"),
        ("FILE:///x", "the path alone: /x"),
        ("file://x/y", "did you mean file:///x/y?"),
        ("file://localhostile/y", "did you mean file:///localhostile/y?"),
        ("file//x", "./file//x"),
        ("gopher://x/y", "unknown scheme \"gopher\""),
        ("foo:bar", "./foo:bar"),
        ("git+ssh://x", "unknown scheme \"git+ssh\""),
        ("x-y:/z", "./x-y:/z"),
        ("x/s3://b", "unknown scheme"),
        ("\u{e9}t\u{e9}://x", "unknown scheme"),
    ] {
        let said = said(text);
        assert!(said.starts_with(text) && said.contains(part), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
