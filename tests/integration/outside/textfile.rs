//! `once` for the textfile collector of `node_exporter`.

use std::path::Path;

use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};

use super::process::{Process, command, exporter, finish};
use super::tools::tool;
use super::web::get;
use crate::harness::{REGION, parse, serve};

/// What a run of `once` for an account of that name prints.
async fn page_of(name: &str, home: &Path) -> String {
    let settings = Settings { sources: 7, region: REGION.into(), ..Settings::default() };
    let (origin, _stop) = serve(Simulator::new(settings)).await;
    let file = home.join(format!("{name}.yml"));
    let yaml = format!(
        "accounts:\n  - name: {name}\n    region: {REGION}\n    endpoint: {origin}\n    iam_endpoint: {origin}\n    \
         credentials: {{access_key_env: TEST_AK, secret_key_env: TEST_SK}}\n"
    );
    std::fs::write(&file, yaml).expect("a directory of ours");
    let (mut once, keys) =
        (exporter(&["once", "--config.file", file.to_str().expect("a path")]), Keys::default());
    once.env("TEST_AK", keys.ak).env("TEST_SK", keys.sk);
    let ended = finish(once).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    ended.out
}

#[tokio::test]
async fn pages_of_two_accounts_stand_side_by_side_in_the_textfile_collector() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let pages = home.path().join("pages");
    std::fs::create_dir(&pages).expect("a directory of ours");
    let mut series = 0;
    for name in ["prod", "test"] {
        let page = page_of(name, home.path()).await;
        let all = parse(&page);
        assert!(all.keys().all(|series| series.contains(&format!("account=\"{name}\""))), "{page}");
        assert!(all.keys().any(|series| series.starts_with("sms_exporter_poll_success{")), "{page}");
        assert!(!page.contains("process_") && !page.contains("build_info"), "{page}");
        series += all.len();
        std::fs::write(pages.join(format!("{name}.prom")), page).expect("a directory of ours");
    }
    let arguments = [
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--collector.disable-defaults".to_owned(),
        "--collector.textfile".to_owned(),
        format!("--collector.textfile.directory={}", pages.display()),
    ];
    let mut node = Process::start(command(&tool("prometheus-node-exporter"), &arguments));
    let address = node.listening_on().await;
    let answer = get(&address, "/metrics", &[]).await;
    let page = answer.text();
    assert_eq!(answer.status, 200, "{page}");
    assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{}\n{page}", node.said());
    // All that it read from us has an account, and it left nothing out.
    let ours = page.lines().filter(|line| !line.starts_with('#') && line.contains("account=\"")).count();
    assert_eq!(ours, series, "{}", node.said());
    assert!(!node.said().contains("level=ERROR") && !node.said().contains("level=error"), "{}", node.said());
}
