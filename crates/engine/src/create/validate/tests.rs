use docker_api::{HealthConfig, LogConfig, PortBinding, Resources, RestartPolicy, Ulimit};
use stdx::Kind;

use super::*;

fn refusal(change: impl FnOnce(&mut CreateRequest)) -> (Kind, String) {
    let mut request = CreateRequest::default();
    change(&mut request);
    let error = check(&request, &Runtimes::default()).unwrap_err();
    (error.kind(), error.client_text())
}

fn invalid(text: &str, change: impl FnOnce(&mut CreateRequest)) {
    assert_eq!(refusal(change), (Kind::Invalid, text.to_owned()));
}

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn nothing_is_wrong_with_defaults() {
    check(&CreateRequest::default(), &Runtimes::default()).unwrap();
}

#[test]
fn dockers_words() {
    invalid("Minimum memory limit allowed is 6MB", |r| {
        r.host_config.resources = Resources { memory: 1024, ..Resources::default() };
    });
    invalid("invalid CapAdd: unknown capability: \"CAP_BOGUS\"", |r| {
        r.host_config.cap_add = words(&["BOGUS"]);
    });
    invalid("can't create 'AutoRemove' container with restart policy", |r| {
        r.host_config.auto_remove = true;
        let name = "always".to_owned();
        r.host_config.restart_policy = RestartPolicy { name, maximum_retry_count: 0 };
    });
    invalid("unknown or invalid runtime name: kata", |r| {
        r.host_config.runtime = "kata".to_owned();
    });
    invalid("conflicting options: hostname and the UTS mode", |r| {
        r.host_config.uts_mode = "host".to_owned();
        r.config.hostname = "x".to_owned();
    });
    invalid(
        "invalid mount config for type \"bind\": bind source path does not exist: /no-such",
        |r| {
            r.host_config.mounts = Some(vec![docker_api::Mount {
                kind: "bind".to_owned(),
                source: "/no-such".to_owned(),
                target: "/x".to_owned(),
                ..Default::default()
            }]);
        },
    );
    invalid("Interval in Healthcheck cannot be less than 1ms", |r| {
        r.config.healthcheck = Some(HealthConfig { interval: 5, ..HealthConfig::default() });
    });
    invalid("error looking up logging plugin bogus: plugin \"bogus\" not found", |r| {
        r.host_config.log_config = LogConfig { driver: "bogus".to_owned(), config: None };
    });
    invalid("bad format for add-host: \"x\"", |r| r.host_config.extra_hosts = words(&["x"]));
    invalid("invalid IP address in add-host: \"y\"", |r| {
        r.host_config.extra_hosts = words(&["x:y"]);
    });
    invalid("sysctl \"kernel.panic\" is not in a separate kernel namespace", |r| {
        let pair = ("kernel.panic".to_owned(), "1".to_owned());
        r.host_config.sysctls = Some([pair].into());
    });
    invalid("sysctl \"net.ipv4.ip_forward\" is not in a separate kernel namespace", |r| {
        let pair = ("net.ipv4.ip_forward".to_owned(), "1".to_owned());
        r.host_config.sysctls = Some([pair].into());
        r.host_config.network_mode = "host".to_owned();
    });
    invalid("invalid ulimit type: bogus", |r| {
        let ulimit = Ulimit { name: "bogus".to_owned(), ..Ulimit::default() };
        r.host_config.resources.ulimits = Some(vec![ulimit]);
    });
}

#[test]
fn a_volume_that_is_a_bind_is_no_volume() {
    let mut request = CreateRequest::default();
    request.host_config.binds = words(&["/etc:/x:ro"]);
    let named = |path: &str| Some([(path.to_owned(), docker_api::Empty)].into());
    request.config.volumes = named("/x/");
    check(&request, &Runtimes::default()).unwrap();
    request.config.volumes = named("/y");
    assert_eq!(check(&request, &Runtimes::default()).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn what_is_missing_is_named() {
    let unsupported = |part: &str, change: fn(&mut CreateRequest)| {
        let (kind, text) = refusal(change);
        assert_eq!(kind, Kind::Unsupported, "{text}");
        assert!(text.contains(part), "{text}");
    };
    unsupported("publishing ports", |r| {
        let bindings = Some(vec![PortBinding::default()]);
        r.host_config.port_bindings = Some([("80/tcp".to_owned(), bindings)].into());
    });
    unsupported("network bridge", |r| r.host_config.network_mode = "bridge".to_owned());
    unsupported("network mine", |r| r.host_config.network_mode = "mine".to_owned());
    unsupported("volume \"data\"", |r| r.host_config.binds = words(&["data:/x"]));
    unsupported("anonymous volumes", |r| {
        r.config.volumes = Some([("/x".to_owned(), docker_api::Empty)].into());
    });
    unsupported("journald", |r| {
        r.host_config.log_config = LogConfig { driver: "journald".to_owned(), config: None };
    });
}
