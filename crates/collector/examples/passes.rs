//! What a pass costs: `passes CONTAINERS idle|busy PASSES`.
//!
//! Makes as many cgroups, each with a sleeping shell in a network namespace of its own, watches
//! them at the shortest interval and prints the processor time of this process per container and
//! pass. A busy container starts a process twenty times a second, so that its counters never stand
//! still and everything is read in each pass.

use std::error::Error;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cgroup::{Cgroup, Hierarchy, Limits};
use collector::{Collector, Interval, Target};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Ends with its processes, however the program ends.
struct Container {
    group: Cgroup,
    child: Child,
}

impl Container {
    fn new(hierarchy: &Hierarchy, path: &str, script: &str) -> Outcome<Container> {
        let group = Cgroup::create(hierarchy, path, &Limits::default())?;
        let mut command = Command::new("unshare");
        // It begins when it is in all hierarchies, and so are its children then.
        command.args(["--net", "sh", "-c", &format!("read go; {script}")]).stdin(Stdio::piped());
        let mut container = Container { group, child: command.spawn()? };
        container.group.attach(container.child.id())?;
        container.child.stdin.take().ok_or("no standard input")?.write_all(b"go\n")?;
        Ok(container)
    }

    fn target(&self) -> Outcome<Target> {
        let pid = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19));
        let start_ticks = start.ok_or("the process has no start")?.parse()?;
        Ok(Target { cgroup_path: self.group.path(), pid: pid.cast_signed(), start_ticks })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let ended = self.group.kill().and_then(|()| self.group.remove(Duration::from_secs(60)));
        if let Err(error) = ended {
            eprintln!("passes: {}", stdx::error::chain(&error));
        }
        drop(self.child.wait());
    }
}

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [count, kind, passes] = words.as_slice() else {
        return Err("passes CONTAINERS idle|busy PASSES".into());
    };
    let (count, passes): (u32, u32) = (count.parse()?, passes.parse()?);
    let script = match kind.as_str() {
        "busy" => "while :; do sleep 0.05; done",
        _ => "sleep 100000",
    };
    let hierarchy = Hierarchy::detect()?;
    let parent = format!("/wharf-passes-{}", std::process::id());
    let make = |number| Container::new(&hierarchy, &format!("{parent}/{number}"), script);
    let all = (0..count).map(make).collect::<Outcome<Vec<Container>>>()?;
    // Let them all begin.
    std::thread::sleep(Duration::from_secs(2));
    let collector = Collector::new(hierarchy.clone());
    for container in &all {
        collector.set(&container.group.path(), container.target()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let spent = runtime.block_on(measure(&collector, &all, passes))?;
    let micros = spent.as_secs_f64() * 1e6 / f64::from(passes) / f64::from(count);
    let version = hierarchy.version();
    println!("{count} containers, {kind}, {version:?}: {micros:.2} us a pass and container");
    drop(all);
    Cgroup::open(&hierarchy, &parent)?.remove_empty();
    Ok(())
}

/// Processor time of this process for so many passes, after those that open the files.
async fn measure(collector: &Collector, all: &[Container], passes: u32) -> Outcome<Duration> {
    let shortest = Interval::new(Duration::from_millis(100)).ok_or("no interval")?;
    let mut watch = collector.watch(shortest);
    let names: Vec<String> = all.iter().map(|container| container.group.path()).collect();
    watch.first(names.iter().map(String::as_str), 2).await;
    if !names.iter().all(|name| watch.reading(name).is_some()) {
        return Err("not all were read".into());
    }
    watch.next().await;
    let before = spent();
    for _ in 0..passes {
        watch.next().await;
    }
    Ok(spent() - before)
}

fn spent() -> Duration {
    let time = sys::rustix::time::clock_gettime(sys::rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
