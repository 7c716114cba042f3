//! Where a container's output is kept, by its log driver and options.

use std::collections::BTreeMap;

use docker_api::LogConfig;
use logs::{Driver, Format, Mode, Subject};
use monitor::protocol::LogSpec;

use super::record::{ContainerRecord, Places};
use crate::error::{EngineError, Result};

/// Drivers that Docker has and this engine has not: they are not unknown, only missing.
const DOCKERS: [&str; 8] =
    ["syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "etwlogs", "gcplogs"];

/// From a container's configuration; errors are Docker's words.
pub fn parse(config: &LogConfig) -> Result<Driver> {
    let none = BTreeMap::new();
    let options = config.config.as_ref().unwrap_or(&none);
    Driver::parse(&config.driver, options).map_err(|error| {
        match DOCKERS.contains(&config.driver.as_str()) {
            true => EngineError::unsupported(error.to_string()),
            false => EngineError::new(error.kind(), error.to_string()),
        }
    })
}

/// How a container's log is written; `None`: nothing is.
pub fn format(record: &ContainerRecord) -> Option<Format> {
    Driver::format_of(&record.host.log_config.driver)
}

/// What the monitor is told of it; `image` is what the user called it.
pub fn spec(record: &ContainerRecord, image: String, places: &Places) -> Result<LogSpec> {
    let Driver::Files(options) = parse(&record.host.log_config)? else { return Ok(LogSpec::None) };
    let (program, args) = record.command();
    let subject = Subject {
        id: record.id.clone(),
        name: record.name.clone(),
        image_id: record.image_id.clone(),
        image,
        program,
        args,
        env: record.config.env.clone().unwrap_or_default(),
        labels: record.config.labels.clone().unwrap_or_default(),
    };
    let attributes = options.attributes.choose(&subject);
    let attributes =
        attributes.map_err(|error| EngineError::new(error.kind(), error.to_string()))?;
    Ok(LogSpec::Files {
        format: options.format,
        path: places.log(&record.id, options.format),
        size_bytes_max: options.rotation.file_bytes_max,
        files_max: options.rotation.files_max,
        compress: options.rotation.compress,
        block_when_full: options.mode == Mode::Blocking,
        kept_bytes_max: match options.mode {
            Mode::NonBlocking { buffer_bytes_max } => Some(buffer_bytes_max),
            Mode::Unsaid | Mode::Blocking => None,
        },
        attributes,
    })
}
