//! The `--health-*` flags.

use docker_api::HealthConfig;

use crate::flags::parse::Parsed;

/// The health check that the flags ask for, if any.
pub fn check(flags: &Parsed) -> Result<Option<HealthConfig>, String> {
    let command = flags.text("health-cmd");
    let config = HealthConfig {
        test: (!command.is_empty()).then(|| vec!["CMD-SHELL".to_owned(), command.to_owned()]),
        interval: flags.int("health-interval"),
        timeout: flags.int("health-timeout"),
        start_period: flags.int("health-start-period"),
        start_interval: flags.int("health-start-interval"),
        retries: flags.int("health-retries"),
    };
    let wished = config != HealthConfig::default();
    if flags.switch("no-healthcheck") {
        return match wished {
            true => Err("--no-healthcheck conflicts with --health-* options".into()),
            false => Ok(Some(HealthConfig { test: Some(vec!["NONE".into()]), ..config })),
        };
    }
    for (name, value) in [
        ("interval", config.interval),
        ("timeout", config.timeout),
        ("retries", config.retries),
        ("start-period", config.start_period),
        ("start-interval", config.start_interval),
    ] {
        if value < 0 {
            return Err(format!("--health-{name} cannot be negative"));
        }
    }
    Ok(wished.then_some(config))
}
