//! An image's defaults and a user's wishes, merged as Docker merges them.

use std::collections::{BTreeMap, BTreeSet};

use docker_api::{ContainerConfig, Empty, HealthConfig};
use oci::{HealthCheck, ImageDefaults, image_config};

/// There is nothing to run, in Docker's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", docker_api::messages::NO_COMMAND)]
pub struct NoCommand;

/// Fills in what the user did not say.
///
/// # Errors
/// Docker's words when there is nothing to run.
pub fn merge(wish: &mut ContainerConfig, image: &ImageDefaults) -> Result<(), NoCommand> {
    if wish.user.is_empty() {
        wish.user.clone_from(&image.user);
    }
    if !image.exposed_ports.is_empty() {
        let ports = wish.exposed_ports.get_or_insert_with(BTreeMap::new);
        for port in &image.exposed_ports.0 {
            ports.entry(port.clone()).or_insert(Empty);
        }
    }
    merge_env(wish, image.env.as_deref().unwrap_or_default());
    merge_labels(wish, image.labels.as_ref());
    merge_command(wish, image);
    if wish.working_dir.is_empty() {
        wish.working_dir.clone_from(&image.working_dir);
    }
    if !image.volumes.is_empty() {
        let volumes = wish.volumes.get_or_insert_with(BTreeMap::new);
        volumes.extend(image.volumes.0.iter().map(|path| (path.clone(), Empty)));
    }
    // Docker stores an empty list of volumes as none.
    wish.volumes = wish.volumes.take().filter(|volumes| !volumes.is_empty());
    if wish.stop_signal.is_empty() {
        wish.stop_signal.clone_from(&image.stop_signal);
    }
    if wish.shell.as_ref().is_none_or(Vec::is_empty) {
        wish.shell.clone_from(&image.shell);
    }
    if let Some(check) = &image.healthcheck {
        merge_health(wish, check);
    }
    let words = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    match words(&wish.entrypoint) || words(&wish.cmd) {
        true => Ok(()),
        false => Err(NoCommand),
    }
}

/// A command of the user's replaces the image's; an entry point of the user's drops the image's
/// command, too; `[""]` is an entry point that is none.
fn merge_command(wish: &mut ContainerConfig, image: &ImageDefaults) {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if given(&wish.entrypoint) {
        if wish.entrypoint.as_deref() == Some(&[String::new()]) {
            wish.entrypoint = None;
        }
        return;
    }
    if !given(&wish.cmd) {
        wish.cmd.clone_from(&image.cmd);
    }
    wish.entrypoint.clone_from(&image.entrypoint);
}

/// The image's variables go behind the user's, which win.
fn merge_env(wish: &mut ContainerConfig, image: &[String]) {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    if image.is_empty() {
        return;
    }
    let env = wish.env.get_or_insert_with(Vec::new);
    for variable in image {
        if !env.iter().any(|own| name(own) == name(variable)) {
            env.push(variable.clone());
        }
    }
}

fn merge_labels(wish: &mut ContainerConfig, image: Option<&BTreeMap<String, String>>) {
    // Docker answers with an empty object where nobody gave a label.
    let labels = wish.labels.get_or_insert_with(BTreeMap::new);
    for (key, value) in image.into_iter().flatten() {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Each value that the user left out is the image's.
fn merge_health(wish: &mut ContainerConfig, image: &HealthCheck) {
    let own = wish.healthcheck.get_or_insert_with(HealthConfig::default);
    if own.test.as_ref().is_none_or(Vec::is_empty) {
        own.test = Some(image.test.clone());
    }
    let pairs = [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ];
    for (own, image) in pairs {
        if *own == 0 {
            *own = image;
        }
    }
}

/// What an image would run by default that is made of a container with this configuration.
pub fn of_config(config: &ContainerConfig) -> ImageDefaults {
    let names = |set: &Option<BTreeMap<String, Empty>>| {
        let names: BTreeSet<String> = set.iter().flatten().map(|(name, _)| name.clone()).collect();
        image_config::Set(names)
    };
    let labels = config.labels.clone().filter(|labels| !labels.is_empty());
    ImageDefaults {
        user: config.user.clone(),
        exposed_ports: names(&config.exposed_ports),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: names(&config.volumes),
        working_dir: config.working_dir.clone(),
        labels,
        stop_signal: config.stop_signal.clone(),
        healthcheck: config.healthcheck.as_ref().map(|check| HealthCheck {
            test: check.test.clone().unwrap_or_default(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        on_build: config.on_build.clone(),
        shell: config.shell.clone(),
        args_escaped: config.args_escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn check(entrypoint: &[&str], cmd: &[&str], expected: &[&str]) {
        let image = ImageDefaults {
            entrypoint: owned(&["/entry"]),
            cmd: owned(&["image"]),
            ..ImageDefaults::default()
        };
        let list = |words: &[&str]| if words.is_empty() { None } else { owned(words) };
        let mut wish = ContainerConfig {
            entrypoint: list(entrypoint),
            cmd: list(cmd),
            ..ContainerConfig::default()
        };
        merge(&mut wish, &image).unwrap();
        let all: Vec<String> = wish.entrypoint.into_iter().chain(wish.cmd).flatten().collect();
        assert_eq!(all, expected, "{entrypoint:?} {cmd:?}");
    }

    #[test]
    fn entry_points_and_commands() {
        check(&[], &[], &["/entry", "image"]);
        check(&[], &["mine"], &["/entry", "mine"]);
        check(&["/my"], &[], &["/my"]);
        check(&["/my"], &["mine"], &["/my", "mine"]);
        check(&[""], &["mine"], &["mine"]);
        let mut nothing = ContainerConfig { entrypoint: owned(&[""]), ..Default::default() };
        let error = merge(&mut nothing, &ImageDefaults::default()).unwrap_err();
        assert_eq!(error.to_string(), "no command specified");
    }

    #[test]
    fn the_users_values_win() {
        let image = ImageDefaults {
            env: owned(&["A=image", "PATH=/image"]),
            labels: Some([("a".to_owned(), "image".to_owned())].into()),
            user: "app".to_owned(),
            working_dir: "/w".to_owned(),
            stop_signal: "SIGQUIT".to_owned(),
            healthcheck: Some(HealthCheck {
                test: vec!["CMD".to_owned(), "true".to_owned()],
                interval: 7,
                ..HealthCheck::default()
            }),
            ..ImageDefaults::default()
        };
        let mut wish = ContainerConfig {
            cmd: owned(&["x"]),
            env: owned(&["A=mine", "B"]),
            labels: Some([("b".to_owned(), "mine".to_owned())].into()),
            healthcheck: Some(HealthConfig { retries: 2, ..HealthConfig::default() }),
            ..ContainerConfig::default()
        };
        merge(&mut wish, &image).unwrap();
        assert_eq!(wish.env, owned(&["A=mine", "B", "PATH=/image"]));
        assert_eq!(wish.labels.unwrap().len(), 2);
        assert_eq!((wish.user.as_str(), wish.working_dir.as_str()), ("app", "/w"));
        assert_eq!(wish.stop_signal, "SIGQUIT");
        let health = wish.healthcheck.unwrap();
        assert_eq!((health.interval, health.retries), (7, 2));
        assert_eq!(health.test, owned(&["CMD", "true"]));
    }
}
