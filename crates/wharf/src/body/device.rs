//! Devices: mappings, rates, weights, GPUs.

use docker_api::{DeviceMapping, DeviceRequest, ThrottleDevice, WeightDevice};

use super::csv;
use crate::flags::number::parse_bytes;

/// What `--device` asked for.
pub struct Devices {
    /// Host devices.
    pub mappings: Vec<DeviceMapping>,
    /// Devices of the container device interface (`vendor.com/class=name`).
    pub cdi_names: Vec<String>,
}

/// Reads `--device`.
pub fn devices(values: &[String]) -> Result<Devices, String> {
    let mut devices = Devices { mappings: Vec::new(), cdi_names: Vec::new() };
    for value in values {
        match is_cdi(value) {
            true => devices.cdi_names.push(value.clone()),
            false => devices.mappings.push(mapping(value)?),
        }
    }
    Ok(devices)
}

fn is_cdi(value: &str) -> bool {
    let split =
        value.split_once('/').and_then(|(vendor, rest)| Some((vendor, rest.split_once('=')?)));
    split.is_some_and(|(vendor, (class, name))| {
        !vendor.is_empty() && !class.is_empty() && !name.is_empty()
    })
}

fn mapping(value: &str) -> Result<DeviceMapping, String> {
    let access = |text: &str| {
        let once = |c| text.matches(c).count() <= 1;
        !text.is_empty()
            && text.chars().all(|c| "rwm".contains(c))
            && ['r', 'w', 'm'].into_iter().all(once)
    };
    let parts: Vec<&str> = value.split(':').collect();
    let (host, inside, permissions) = match parts.as_slice() {
        [""] | ["", ..] => return Err(format!("bad format for path: {value}")),
        [host] => (*host, *host, "rwm"),
        [host, mode] if access(mode) => (*host, *host, *mode),
        [host, inside] => (*host, *inside, "rwm"),
        [_, _, mode] if !access(mode) => return Err(format!("bad mode specified: {mode}")),
        [host, inside, mode] => (*host, *inside, *mode),
        _ => return Err(format!("bad format for path: {value}")),
    };
    if !inside.starts_with('/') {
        return Err(format!("{inside} is not an absolute path"));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: inside.to_owned(),
        cgroup_permissions: permissions.to_owned(),
    })
}

fn device_path(value: &str) -> Result<(&str, &str), String> {
    let split = value.split_once(':').filter(|(path, _)| !path.is_empty());
    let (path, rest) = split.ok_or_else(|| format!("bad format: {value}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {value}"));
    }
    Ok((path, rest))
}

/// Check of `--blkio-weight-device`.
pub fn check_weight(value: &str) -> Result<String, String> {
    weight(value).map(|_| value.to_owned())
}

/// Check of `--device-*-bps`.
pub fn check_bps(value: &str) -> Result<String, String> {
    bytes_rate(value).map(|_| value.to_owned())
}

/// Check of `--device-*-iops`.
pub fn check_iops(value: &str) -> Result<String, String> {
    operations_rate(value).map(|_| value.to_owned())
}

/// Check of `--gpus`.
pub fn check_gpus(value: &str) -> Result<String, String> {
    gpus(value).map(|_| value.to_owned())
}

/// `/dev/sda:100`.
pub fn weight(value: &str) -> Result<WeightDevice, String> {
    let (path, text) = device_path(value)?;
    match text.parse::<u16>() {
        Ok(weight) if weight == 0 || (10..=1000).contains(&weight) => {
            Ok(WeightDevice { path: path.to_owned(), weight })
        }
        _ => Err(format!("invalid weight for device: {value}")),
    }
}

/// `/dev/sda:1mb`: bytes a second.
pub fn bytes_rate(value: &str) -> Result<ThrottleDevice, String> {
    let (path, text) = device_path(value)?;
    let rate = parse_bytes(text).map_err(|_| {
        format!(
            "invalid rate for device: {value}. The correct format is \
             <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional \
             and can be kb, mb, or gb"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate: rate.unsigned_abs() })
}

/// `/dev/sda:1000`: operations a second.
pub fn operations_rate(value: &str) -> Result<ThrottleDevice, String> {
    let (path, text) = device_path(value)?;
    let rate = text.parse().map_err(|_| {
        format!(
            "invalid rate for device: {value}. The correct format is <device-path>:<number>. \
             Number must be a positive integer"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

/// All device requests.
pub fn requests(
    gpu_values: &[String],
    cdi_names: Vec<String>,
) -> Result<Vec<DeviceRequest>, String> {
    let mut requests: Vec<_> =
        gpu_values.iter().map(|value| gpus(value)).collect::<Result<_, _>>()?;
    if !cdi_names.is_empty() {
        requests.push(DeviceRequest {
            driver: "cdi".into(),
            device_ids: Some(cdi_names),
            ..DeviceRequest::default()
        });
    }
    Ok(requests)
}

/// `all`, `2`, `device=0,driver=nvidia`.
fn gpus(value: &str) -> Result<DeviceRequest, String> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut request = DeviceRequest { options: Some(Default::default()), ..Default::default() };
    let mut capabilities = vec!["gpu".to_owned()];
    let mut seen: Vec<String> = Vec::new();
    for field in csv::fields(value)? {
        let (key, text) = field.split_once('=').unwrap_or(("count", &field));
        if seen.iter().any(|s| s == key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key.to_owned());
        match key {
            "count" => request.count = count(text)?,
            "driver" => request.driver = text.to_owned(),
            "device" => request.device_ids = Some(list(text)),
            "capabilities" => {
                let extra = list(text).into_iter().filter(|c| c != "gpu");
                capabilities = extra.chain(["gpu".to_owned()]).collect();
            }
            "options" => request.options = Some(super::env::map(&csv::fields(text)?)),
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if !seen.iter().any(|key| key == "count") && request.device_ids.is_none() {
        request.count = 1;
    }
    request.capabilities = Some(vec![capabilities]);
    Ok(request)
}

fn count(text: &str) -> Result<i64, String> {
    if text == "all" {
        return Ok(-1);
    }
    text.parse().map_err(|_| {
        format!(
            "invalid count ({text}): value must be either \"all\" or an integer: invalid syntax"
        )
    })
}
