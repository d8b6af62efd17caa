//! Where artifacts of Maven Central are fetched from: there, or from the mirror that the user has set for Maven.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::pins;

/// What the user has said about Maven.
#[derive(Clone, Debug, Default)]
pub(super) struct Maven {
    /// The root of a repository that is to be used, whatever the settings say.
    pub address: Option<String>,
    /// Maven's `settings.xml` of the user, whether it is there or not.
    pub settings: Option<PathBuf>,
}

impl Maven {
    /// The root of the repository, without a slash at the end.
    pub fn repository(&self) -> String {
        let mirror = || self.settings.as_deref().and_then(mirror_of_central);
        let address = self.address.clone().or_else(mirror);
        address.unwrap_or_else(|| pins::MAVEN_CENTRAL.to_owned()).trim_end_matches('/').to_owned()
    }
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    mirrors: Mirrors,
}

#[derive(Default, Deserialize)]
struct Mirrors {
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mirror {
    url: String,
    mirror_of: String,
    #[serde(default)]
    blocked: bool,
}

/// The first mirror of Central in the settings. Settings that cannot be read name none: they are Maven's to complain
/// about.
fn mirror_of_central(settings: &Path) -> Option<String> {
    let text = std::fs::read_to_string(settings).ok()?;
    let settings: Settings = quick_xml::de::from_str(&text).ok()?;
    let mirror = settings
        .mirrors
        .mirror
        .into_iter()
        .find(|mirror| !mirror.blocked && is_for_central(&mirror.mirror_of));
    mirror.map(|mirror| mirror.url.trim().to_owned())
}

/// Maven's rule: names, `*` for all, `external:*` for all that are not on this machine, `!name` for all but that one.
fn is_for_central(mirror_of: &str) -> bool {
    let mut found = false;
    for repository in mirror_of.split(',').map(str::trim) {
        match repository {
            "!central" => return false,
            "*" | "central" | "external:*" => found = true,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn repository(settings: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings).unwrap();
        Maven { address: None, settings: Some(file.path().to_owned()) }.repository()
    }

    #[rstest]
    #[case("central", true)]
    #[case("*", true)]
    #[case("external:*, !internal", true)]
    #[case("*,!central", false)]
    #[case("internal", false)]
    #[case("external:http:*", false)]
    fn mirrors_are_chosen_as_maven_does(#[case] mirror_of: &str, #[case] is_chosen: bool) {
        assert_eq!(is_for_central(mirror_of), is_chosen);
    }

    #[test]
    fn the_first_mirror_that_is_not_blocked_is_taken() {
        let settings = r#"<?xml version="1.0" encoding="UTF-8"?>
            <settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
              <localRepository>/x</localRepository>
              <mirrors>
                <mirror><id>a</id><mirrorOf>*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror>
                <!-- ours -->
                <mirror><id>b</id><name>B</name><url> https://mirror.example/m2/ </url><mirrorOf>central</mirrorOf></mirror>
                <mirror><id>c</id><mirrorOf>*</mirrorOf><url>https://other.example</url></mirror>
              </mirrors>
            </settings>"#;
        assert_eq!(repository(settings), "https://mirror.example/m2");
    }

    #[rstest]
    #[case("<settings/>")]
    #[case("<settings><mirrors/></settings>")]
    #[case("not XML")]
    fn without_a_mirror_it_is_central_itself(#[case] settings: &str) {
        assert_eq!(repository(settings), pins::MAVEN_CENTRAL);
    }

    #[test]
    fn an_address_that_was_said_wins() {
        let maven = Maven { address: Some("https://a.example/".to_owned()), settings: None };
        assert_eq!(maven.repository(), "https://a.example");
    }
}
