//! The tag of a container's records: a Go template.

use std::collections::BTreeMap;

use gotmpl::{Functions, Record, Template, Value};

use crate::options::DriverError;

/// How many characters of an id a tag shows.
const SHORT_ID_BYTES: usize = 12;

/// What records may say of their container.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Without a leading slash.
    pub name: String,
    /// `sha256:...`.
    pub image_id: String,
    /// As the user called it.
    pub image: String,
    /// What runs.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The result of a template.
pub(crate) fn render(template: &str, subject: &Subject) -> Result<String, DriverError> {
    let template = Template::parse("log-tag", template, &Functions::docker())
        .map_err(|error| DriverError::Value(error.to_string()))?;
    template
        .execute(&subject.clone().value())
        .map_err(|error| DriverError::Value(error.to_string()))
}

impl Subject {
    /// The fields and methods of Docker's `logger.Info`.
    fn value(self) -> Value {
        let short = |id: &str| id.get(..SHORT_ID_BYTES).unwrap_or(id).to_owned();
        let words = std::iter::once(&self.program).chain(&self.args);
        let command: Vec<&str> = words.map(String::as_str).collect();
        let hostname = sys::rustix::system::uname().nodename().to_string_lossy().into_owned();
        Record::new("*logger.Info")
            .with("ID", short(&self.id))
            .with("ImageID", short(&self.image_id))
            .with("Command", command.join(" "))
            .with("Hostname", hostname)
            .with("DaemonName", "docker")
            .with("FullID", self.id.clone())
            .with("ContainerID", self.id)
            .with("ContainerName", format!("/{}", self.name))
            .with("Name", self.name)
            .with("ImageFullID", self.image_id.clone())
            .with("ContainerImageID", self.image_id)
            .with("ImageName", self.image.clone())
            .with("ContainerImageName", self.image)
            .with("ContainerEntrypoint", self.program)
            .with("ContainerArgs", Value::strings(self.args))
            .with("ContainerEnv", Value::strings(self.env))
            .with("ContainerLabels", Value::string_map(self.labels))
            .into()
    }
}
