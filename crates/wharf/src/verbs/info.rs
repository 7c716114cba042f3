//! `info`.

use client::Client;
use docker_api::Info;
use gotmpl::Value;
use serde::Serialize;

use super::version::ClientVersion;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;
use show::list;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Everything {
    #[serde(flatten)]
    info: Option<Info>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    server_errors: Vec<String>,
    client_info: ClientVersion,
}

/// `info`.
pub async fn info(client: &Client, flags: &Parsed) -> Outcome {
    let (info, error) = match client.info().await {
        Ok(info) => (Some(info), None),
        Err(error) => (None, Some(Failure::from(error))),
    };
    let format = flags.text("format");
    if !format.is_empty() {
        let template = list::parse("", &list::resolve(format, "", false).0)?;
        let server_errors = error.iter().map(|error| error.text.clone()).collect();
        let client_info = ClientVersion::own();
        let value = Value::from_serialize(&Everything { info, server_errors, client_info });
        let value = value.map_err(|error| Failure::new(error.to_string()))?;
        println!("{}", list::execute(&template, &value)?);
        return error.map_or(Ok(0), |error| Err(Failure::silent(error.code)));
    }
    println!("Client: Wharf\n Version:    {}\n Debug Mode: false\n", env!("CARGO_PKG_VERSION"));
    println!("Server:");
    if let Some(info) = info {
        print!("{}", Text::of(&info));
        for warning in info.warnings.iter().flatten() {
            eprintln!("{warning}");
        }
    }
    error.map_or(Ok(0), Err)
}

/// The text, built line by line.
struct Text(String);

impl Text {
    fn of(info: &Info) -> String {
        let mut text = Text(String::new());
        text.counts(info);
        text.drivers(info);
        text.runtimes(info);
        text.machine(info);
        text.rest(info);
        text.0.push('\n');
        text.0
    }

    /// ` Name: value`, unless the value is empty; each level is one blank more.
    fn line(&mut self, level: usize, name: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push_str(&format!("{:level$}{name}: {value}\n", ""));
        }
    }

    /// A heading with items below it, unless there are none.
    fn items<'a>(&mut self, name: &str, items: impl IntoIterator<Item = &'a str>) {
        let items: Vec<&str> = items.into_iter().collect();
        if !items.is_empty() {
            self.0.push_str(&format!(" {name}:\n"));
            self.0.extend(items.iter().map(|item| format!("  {item}\n")));
        }
    }

    fn counts(&mut self, info: &Info) {
        self.line(1, "Containers", info.containers);
        self.line(2, "Running", info.containers_running);
        self.line(2, "Paused", info.containers_paused);
        self.line(2, "Stopped", info.containers_stopped);
        self.line(1, "Images", info.images);
        self.line(1, "Server Version", &info.server_version);
    }

    fn drivers(&mut self, info: &Info) {
        self.line(1, "Storage Driver", &info.driver);
        for [name, value] in info.driver_status.iter().flatten() {
            self.line(2, name, value);
        }
        self.line(1, "Logging Driver", &info.logging_driver);
        self.line(1, "Cgroup Driver", &info.cgroup_driver);
        self.line(1, "Cgroup Version", &info.cgroup_version);
        let words = |list: &Option<Vec<String>>| list.as_deref().unwrap_or_default().join(" ");
        self.0.push_str(" Plugins:\n");
        self.line(2, "Volume", words(&info.plugins.volume));
        self.line(2, "Network", words(&info.plugins.network));
        self.line(2, "Authorization", words(&info.plugins.authorization));
        self.line(2, "Log", words(&info.plugins.log));
        self.items("CDI spec directories", info.cdi_spec_dirs.iter().flatten().map(String::as_str));
        let devices: Vec<String> = info
            .discovered_devices
            .iter()
            .flatten()
            .map(|device| format!("{}: {}", device.source, device.id))
            .collect();
        self.items("Discovered Devices", devices.iter().map(String::as_str));
        self.line(1, "Swarm", &info.swarm.local_node_state);
    }

    fn runtimes(&mut self, info: &Info) {
        let names: Vec<&str> =
            info.runtimes.iter().flat_map(|all| all.keys().map(String::as_str)).collect();
        self.line(1, "Runtimes", names.join(" "));
        self.line(1, "Default Runtime", &info.default_runtime);
        self.line(1, "Init Binary", &info.init_binary);
        let options = info.security_options.iter().flatten();
        let options: Vec<Vec<(&str, &str)>> = options
            .map(|option| option.split(',').filter_map(|pair| pair.split_once('=')).collect())
            .collect();
        if options.is_empty() {
            return;
        }
        self.0.push_str(" Security Options:\n");
        for (key, value) in options.into_iter().flatten() {
            match key {
                "name" => self.0.push_str(&format!("  {value}\n")),
                "profile" => self.line(3, "Profile", value),
                other => self.line(3, other, value),
            }
        }
    }

    fn machine(&mut self, info: &Info) {
        self.line(1, "Kernel Version", &info.kernel_version);
        self.line(1, "Operating System", &info.operating_system);
        self.line(1, "OSType", &info.os_type);
        self.line(1, "Architecture", &info.architecture);
        self.line(1, "CPUs", info.ncpu);
        self.line(1, "Total Memory", stdx::size::binary(info.mem_total.unsigned_abs()));
        self.line(1, "Name", &info.name);
        self.line(1, "ID", &info.id);
    }

    fn rest(&mut self, info: &Info) {
        self.line(1, "Docker Root Dir", &info.docker_root_dir);
        self.line(1, "Debug Mode", info.debug);
        self.line(1, "HTTP Proxy", &info.http_proxy);
        self.line(1, "HTTPS Proxy", &info.https_proxy);
        self.line(1, "No Proxy", &info.no_proxy);
        self.items("Labels", info.labels.iter().flatten().map(String::as_str));
        self.line(1, "Experimental", info.experimental_build);
        let registry = info.registry_config.as_ref();
        let networks = registry.and_then(|registry| registry.insecure_registry_cidrs.as_ref());
        self.items("Insecure Registries", networks.into_iter().flatten().map(String::as_str));
        self.line(1, "Live Restore Enabled", info.live_restore_enabled);
        self.line(1, "Product License", &info.product_license);
    }
}
