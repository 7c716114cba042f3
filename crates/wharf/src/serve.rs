//! The engine's process: wired by hand, top to bottom.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Engine, EngineConfig};
use stdx::fs::PathError;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::engine::EngineSpec;
use crate::failure::{Failure, Outcome};

/// Threads that serve requests; what blocks has threads of its own.
const WORKERS: usize = 2;

/// Heaps of the C library: one for each worker.
const HEAPS: u8 = WORKERS as u8;

/// Threads for what blocks end after this time without work. A burst of starts needs dozens.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The engine looks this often whether it is quiet.
const QUIET_INTERVAL: Duration = Duration::from_secs(5);
/// It is when it used less processor time than this in between, 2 % of it.
const QUIET_CPU: Duration = Duration::from_millis(100);
/// So much work leaves something behind that is worth looking for.
const WORK_CPU: Duration = Duration::from_millis(200);

/// Who may use the socket besides root. Membership is as good as being root.
const GROUP: &str = "wharf";

/// Runs an engine until it is told to end by SIGTERM or SIGINT. Containers run on.
pub fn serve(spec: EngineSpec) -> Outcome {
    log_to_stderr();
    sys::memory::limit_heaps(HEAPS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("failed to start the async runtime: {error}")))?;
    let served = runtime.block_on(run(spec));
    // Blocking reads of clients that went silent are not waited for.
    runtime.shutdown_background();
    served.map(|()| 0)
}

async fn run(spec: EngineSpec) -> Result<(), Failure> {
    let sockets: Vec<PathBuf> = spec
        .hosts
        .iter()
        .map(|host| PathBuf::from(host.strip_prefix("unix://").unwrap_or(host)))
        .collect();
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(format!("failed to start the engine: {}", stdx::error::chain(error)))
    };
    let rootless_ids = rootless::ids_inside();
    let mode = if rootless_ids.is_some() { 0o700 } else { 0o711 };
    stdx::fs::create_dir_all(&spec.run, mode).map_err(|error| failed(&error))?;
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let cgroup = cgroup_parent(&absolute(&spec.root)?);
    let config = EngineConfig {
        root: absolute(&spec.root)?,
        run: absolute(&spec.run)?,
        program,
        sockets: sockets.clone(),
        cgroup_parent: cgroup.clone(),
        runtimes: spec.settings.runtimes.clone(),
        cdi_dirs: spec.settings.cdi_dirs.clone(),
        registries: spec.settings.registries.clone(),
        rootless_ids,
    };
    // Both locks first: a second engine ends here, before it touches anything of the first one's.
    let _run_lock = lock(&spec.run)?;
    for path in &sockets {
        refuse_if_served(path)?;
    }
    let engine = Engine::open(config).await.map_err(|error| failed(&error))?;
    let mut listeners = Vec::new();
    for path in &sockets {
        listeners.push(listen(path).map_err(|error| failed(&error))?);
    }
    let pid_file = spec.run.join("engine.pid");
    let pid = format!("{}\n", std::process::id());
    stdx::fs::replace(&pid_file, pid.as_bytes(), 0o644, stdx::fs::Durability::Process)
        .map_err(|error| failed(&error))?;
    tracing::info!(
        sockets = ?spec.hosts,
        root = %spec.root.display(),
        cgroup,
        "engine is up"
    );
    if let Some(ids) = rootless_ids {
        tracing::info!(ids, "without root: containers have no limits, and share the user's ids");
    }
    let (down, is_down) = watch::channel(false);
    let serving = tokio::spawn(engine_http::serve(engine.clone(), listeners, is_down));
    tokio::select! {
        ended = wait_for_the_end() => ended?,
        () = give_memory_back() => {}
    }
    tracing::info!("engine goes down; containers run on");
    // The receiver lives in the serving task: nobody is lost when it is gone.
    let _ = down.send(true);
    drop(serving.await);
    engine.close().await;
    for path in sockets.iter().chain([&pid_file]) {
        // A file that somebody removed before us is gone all the same.
        drop(std::fs::remove_file(path));
    }
    Ok(())
}

/// Engines side by side never meet: each has a cgroup of its own, which a root directory always
/// gets again.
fn cgroup_parent(root: &Path) -> String {
    if root == Path::new("/var/lib/wharf") {
        return "/wharf".to_owned();
    }
    // FNV-1a: the name need only differ between directories, and be the same tomorrow.
    let hash = root.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    });
    format!("/wharf-{hash:016x}")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::new(format!("failed to find `{}`: {error}", path.display())))
}

async fn wait_for_the_end() -> Result<(), Failure> {
    let hear = |kind| {
        signal(kind).map_err(|error| Failure::new(format!("failed to hear signals: {error}")))
    };
    let (mut terminate, mut interrupt) =
        (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// After work, once it is quiet, what the work left behind goes back to the kernel. Never ends.
async fn give_memory_back() {
    let mut last_look = cpu_time();
    let mut last_given = Duration::ZERO;
    loop {
        tokio::time::sleep(QUIET_INTERVAL).await;
        let now = cpu_time();
        let is_quiet = now.saturating_sub(last_look) < QUIET_CPU;
        if is_quiet && now.saturating_sub(last_given) > WORK_CPU {
            sys::memory::give_back();
            last_given = cpu_time();
        }
        last_look = now;
    }
}

/// Processor time of this process.
fn cpu_time() -> Duration {
    let time = sys::rustix::time::clock_gettime(sys::rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Our log goes where standard error goes; `WHARF_LOG` chooses how much.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    // It fails only when something logs already.
    drop(logging);
}

/// Run directories hold what containers are reached by: one engine each.
fn lock(run: &Path) -> Result<std::fs::File, Failure> {
    let path = run.join("lock");
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "failed to lock the run directory `{}`: {error}; another engine is using it: give \
             this one a --run of its own",
            run.display()
        ))
    };
    let file = std::fs::File::create(&path).map_err(|error| failed(&error))?;
    let operation = sys::rustix::fs::FlockOperation::NonBlockingLockExclusive;
    sys::rustix::fs::flock(&file, operation).map_err(|error| failed(&error))?;
    Ok(file)
}

/// A socket where somebody answers is not ours to replace.
fn refuse_if_served(path: &Path) -> Result<(), Failure> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(Failure::new(format!(
            "failed to listen on `{}`: another process does; give this engine a --host of its own",
            path.display()
        ))),
        Err(_) => Ok(()),
    }
}

/// Listens on a socket for root and the group `wharf`. What lies there from an engine that was
/// killed is replaced: nobody answered there.
fn listen(path: &Path) -> Result<UnixListener, PathError> {
    if let Some(parent) = path.parent() {
        stdx::fs::create_dir_all(parent, 0o755)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PathError::of("replace the socket", path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(PathError::of("listen on", path))?;
    let mode = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(path, mode).map_err(PathError::of("set the mode of", path))?;
    // Without root the group is not ours to give the socket to.
    if let Some(gid) = group_id(GROUP).filter(|_| rootless::ids_inside().is_none()) {
        chown(path, None, Some(gid)).map_err(PathError::of("set the group of", path))?;
    }
    Ok(listener)
}

/// Looks a group up in `/etc/group`, without the C library: a static program must not load its
/// modules.
fn group_id(name: &str) -> Option<u32> {
    let text = std::fs::read_to_string("/etc/group").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}
