//! `update`.

use client::Client;
use docker_api::{Resources, UpdateRequest};

use crate::body;
use crate::failure::{Failure, Outcome};
use crate::flags::parse::Parsed;

/// `update`: names that succeeded, then what the engine has to say.
pub async fn update(client: &Client, flags: &Parsed) -> Outcome {
    if !flags.verb.flags().any(|flag| flags.is_set(flag.long)) {
        return Err(Failure::new("you must provide one or more flags when using this command"));
    }
    let request = request(flags).map_err(Failure::new)?;
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for name in &flags.args {
        match client.container_update(name, &request).await {
            Ok(answer) => {
                println!("{name}");
                warnings.extend(answer.warnings.unwrap_or_default());
            }
            Err(error) => errors.push(Failure::from(error).text),
        }
    }
    if !warnings.is_empty() {
        println!("{}", warnings.join("\n"));
    }
    super::all_or(errors)
}

fn request(flags: &Parsed) -> Result<UpdateRequest, String> {
    let text = |name: &str| flags.text(name).to_owned();
    let restart = flags.text("restart");
    let restart_policy = match restart {
        "" => docker_api::RestartPolicy::default(),
        text => body::restart_policy(text)?,
    };
    Ok(UpdateRequest {
        restart_policy,
        resources: Resources {
            blkio_weight: u16::try_from(flags.int("blkio-weight")).unwrap_or(0),
            cpu_shares: flags.int("cpu-shares"),
            nano_cpus: flags.int("cpus"),
            cpu_period: flags.int("cpu-period"),
            cpu_quota: flags.int("cpu-quota"),
            cpu_realtime_period: flags.int("cpu-rt-period"),
            cpu_realtime_runtime: flags.int("cpu-rt-runtime"),
            cpuset_cpus: text("cpuset-cpus"),
            cpuset_mems: text("cpuset-mems"),
            memory: flags.int("memory"),
            memory_reservation: flags.int("memory-reservation"),
            memory_swap: flags.int("memory-swap"),
            pids_limit: Some(flags.int("pids-limit")).filter(|limit| *limit != 0),
            ..Resources::default()
        },
    })
}
