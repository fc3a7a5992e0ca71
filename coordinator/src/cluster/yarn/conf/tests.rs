use super::*;

fn site(properties: &[(&str, &str)]) -> String {
    let property = |(name, value): &(&str, &str)| {
        format!("<property><name>{name}</name><value>{value}</value></property>\n")
    };
    let properties: String = properties.iter().map(property).collect();
    format!("<?xml version=\"1.0\"?>\n<configuration>\n{properties}</configuration>\n")
}

fn conf(properties: &[(&str, &str)]) -> Conf {
    read(&[&site(properties)])
}

fn read(texts: &[&str]) -> Conf {
    let files: Vec<_> = texts.iter().map(|text| ConfFile { name: "site.xml", text }).collect();
    let env = [("LOG", "/var/log"), ("EMPTY", "")].map(|(name, value)| (name.into(), value.into()));
    Conf::new(&files, Surroundings { user: "hadoop".into(), env: env.into() }).unwrap()
}

#[test]
fn variables_come_from_the_configuration_the_user_and_the_environment() {
    let conf = conf(&[
        ("master", "10.0.0.5"),
        ("which", "master"),
        ("nested", "http://${${which}}:1"),
        ("home", " /user/${user.name} "),
        ("log", "${env.LOG}/x ${env.NO:-a} ${env.EMPTY:-b} ${env.EMPTY-c}${env.NO-d}"),
    ]);
    assert_eq!(conf.get("nested").as_deref(), Some("http://10.0.0.5:1"));
    assert_eq!(conf.get("home").as_deref(), Some("/user/hadoop"));
    assert_eq!(conf.get("log").as_deref(), Some("/var/log/x a b d"));
}

#[test]
fn an_unknown_variable_stays_and_a_circle_ends() {
    let conf = conf(&[("a", "${nobody}/${user.name}"), ("round", "${round}")]);
    assert_eq!(conf.get("a").as_deref(), Some("${nobody}/${user.name}"));
    assert_eq!(conf.get("round").as_deref(), Some("${round}"));
}

#[test]
fn a_later_file_overrides_what_is_not_final() {
    let first = "<configuration><property><name>a</name><value>1</value><final>true</final></property>\
                 <property><name>b</name><value>1</value></property></configuration>";
    let conf = read(&[first, &site(&[("a", "2"), ("b", "2")])]);
    assert_eq!((conf.get("a").as_deref(), conf.get("b").as_deref()), (Some("1"), Some("2")));
}

#[test]
fn comments_cdata_attributes_and_includes_are_read_as_hadoop_reads_them() {
    let conf = read(&[
        "\u{feff}<?xml version=\"1.0\"?><?xml-stylesheet type=\"text/xsl\" href=\"configuration.xsl\"?>\n\
         <configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"more.xml\"/>\n\
         <property><name> a </name><value>1<!-- no --><![CDATA[<2>]]></value><description>x</description></property>\n\
         <property name=\"b\" value=\"3\"/><property><value>lost</value></property></configuration>",
    ]);
    assert_eq!(conf.get("a").as_deref(), Some("1<2>"));
    assert_eq!(conf.get("b").as_deref(), Some("3"));
}

#[test]
fn what_is_not_xml_is_named_with_its_file() {
    let error = |text| {
        let files = [ConfFile { name: "/etc/hadoop/conf/yarn-site.xml", text }];
        Conf::new(&files, Surroundings::default()).unwrap_err().to_string()
    };
    let cut = error("<configuration>\n<property><name>a</nam");
    assert!(cut.starts_with("/etc/hadoop/conf/yarn-site.xml: not XML: "), "{cut}");
    assert!(!cut.contains('\n'), "{cut}");
    let other = error("<html/>");
    assert!(other.ends_with("its root is <html>, not <configuration>"), "{other}");
}

#[test]
fn a_folder_without_files_is_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path(), Surroundings::default()).unwrap_err().to_string();
    assert!(error.ends_with("it has none of core-site.xml, mapred-site.xml, yarn-site.xml, hdfs-site.xml"));
    std::fs::write(folder.path().join("yarn-site.xml"), site(&[("a", "1")])).unwrap();
    assert_eq!(load(folder.path(), Surroundings::default()).unwrap().get("a").as_deref(), Some("1"));
}

#[test]
fn yarn_is_there_when_named() {
    assert!(!conf(&[]).has_yarn());
    assert!(conf(&[("mapreduce.framework.name", "yarn")]).has_yarn());
    assert!(conf(&[("yarn.resourcemanager.hostname", "m")]).has_yarn());
}

#[test]
fn a_resource_manager_is_found_by_address_or_host_name() {
    assert_eq!(conf(&[]).resource_managers(), ["http://localhost:8088"]);
    let host = ("yarn.resourcemanager.hostname", "ip-10-0-0-5.ec2.internal");
    assert_eq!(conf(&[host]).resource_managers(), ["http://ip-10-0-0-5.ec2.internal:8088"]);
    let address = ("yarn.resourcemanager.webapp.address", "${yarn.resourcemanager.hostname}:8188");
    assert_eq!(conf(&[host, address]).resource_managers(), ["http://ip-10-0-0-5.ec2.internal:8188"]);
    let secure = ("yarn.http.policy", "HTTPS_ONLY");
    assert_eq!(conf(&[host, secure]).resource_managers(), ["https://ip-10-0-0-5.ec2.internal:8090"]);
    let history = [("mapreduce.jobhistory.http.policy", "HTTPS_ONLY")];
    assert_eq!(conf(&history).history_server().as_deref(), Some("https://localhost:19890"));
}

#[test]
fn of_several_resource_managers_each_has_its_address() {
    let conf = conf(&[
        ("yarn.resourcemanager.ha.enabled", "true"),
        ("yarn.resourcemanager.ha.rm-ids", "rm1, rm2"),
        ("yarn.resourcemanager.hostname.rm1", "a"),
        ("yarn.resourcemanager.hostname.rm2", "b"),
        ("yarn.resourcemanager.webapp.address.rm2", "b:1"),
    ]);
    assert_eq!(conf.resource_managers(), ["http://a:8088", "http://b:1"]);
}

#[test]
fn name_nodes_are_found_from_the_default_file_system() {
    let plain = ("fs.defaultFS", "hdfs://nn.local:8020");
    assert_eq!(conf(&[plain]).name_nodes(), ["http://nn.local:9870", "http://nn.local:50070"]);
    let secure = ("dfs.http.policy", "HTTPS_ONLY");
    assert_eq!(conf(&[plain, secure]).name_nodes(), ["https://nn.local:9871", "https://nn.local:50470"]);
    let address = ("dfs.namenode.http-address", "0.0.0.0:9999");
    assert_eq!(conf(&[plain, address]).name_nodes(), ["http://nn.local:9999"]);
    assert!(conf(&[plain, ("dfs.webhdfs.enabled", "false")]).name_nodes().is_empty());
    let s3 = conf(&[("fs.defaultFS", "s3://bucket")]);
    assert_eq!(s3.default_fs(), DefaultFs::Other("s3://bucket".into()));
    assert!(s3.name_nodes().is_empty());
    let service = conf(&[
        ("fs.defaultFS", "hdfs://mycluster/"),
        ("dfs.ha.namenodes.mycluster", "nn1,nn2"),
        ("dfs.namenode.http-address.mycluster.nn1", "a:9870"),
        ("dfs.namenode.http-address.mycluster.nn2", "b:9870"),
    ]);
    assert_eq!(service.name_nodes(), ["http://a:9870", "http://b:9870"]);
}

#[test]
fn memory_follows_the_scheduler_and_the_newer_names() {
    let fair = "org.apache.hadoop.yarn.server.resourcemanager.scheduler.fair.FairScheduler";
    let minimum = ("yarn.scheduler.minimum-allocation-mb", "32");
    assert_eq!(conf(&[minimum]).increment_mb(), 32);
    assert_eq!(conf(&[minimum, ("yarn.resourcemanager.scheduler.class", fair)]).increment_mb(), 1024);
    assert_eq!(conf(&[]).master_mb(), 1536);
    let old = ("yarn.app.mapreduce.am.resource.mb", "3072");
    assert_eq!(conf(&[old]).master_mb(), 3072);
    assert_eq!(conf(&[old]).master_property(), old.0);
    let typed = ("yarn.app.mapreduce.am.resource.memory-mb", "2Gi");
    assert_eq!(conf(&[old, typed]).master_mb(), 2048);
    assert_eq!(conf(&[old, typed]).master_property(), typed.0);
}
