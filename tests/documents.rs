//! What the README and the documents say is true.

const README: &str = include_str!("../README.md");

#[test]
fn the_first_test_of_the_readme_is_one_that_is_compiled_and_run() {
    let test = include_str!("../fixtures/user-project/tests/frames.rs");
    assert!(
        README.contains(&format!("```rust\n{test}```")),
        "copy fixtures/user-project/tests/frames.rs into README.md"
    );
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http")) {
        assert!(root.join(link).exists(), "README.md links to {link}");
    }
}

#[test]
fn the_description_of_the_nodes_is_that_of_the_catalogue() {
    let nodes = include_str!("../docs/graphs.md").split("`. -->\n\n").nth(1);
    assert_eq!(
        nodes,
        Some(k1_hil::graph::catalogue::reference().as_str()),
        "renew docs/graphs.md with `k1-hil nodes`"
    );
}

#[test]
fn the_configuration_of_the_webhook_is_one() {
    let document = include_str!("../docs/webhook.md");
    let text = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let secret =
        |name: &str| (name == "K1_HIL_WEBHOOK_SECRET").then(|| "a secret of the documents".to_owned());
    let config = k1_hil::webhook::Config::parse(text, "docs/webhook.md", secret).unwrap();
    assert_eq!(config.rules.len(), 2);
    assert!(config.rules[1].branches.matches("production") && !config.rules[1].branches.matches("main"));
}
