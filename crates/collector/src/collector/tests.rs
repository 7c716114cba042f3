//! On real cgroups, with real processes.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cgroup::{Cgroup, Limit, Limits};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// A process in a cgroup of its own; both end together.
struct Container {
    name: String,
    group: Cgroup,
    child: Child,
}

impl Container {
    /// A shell that does `script` once it is in the cgroup.
    fn new(hierarchy: &Hierarchy, name: &str, script: &str) -> Container {
        let path = format!("/wharf-collector-{}-{name}", std::process::id());
        let limits = Limits {
            pids: Some(Limit::At(100)),
            memory_bytes: Some(Limit::At(256 << 20)),
            ..Limits::default()
        };
        let group = Cgroup::create(hierarchy, &path, &limits).unwrap();
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        group.attach(child.id()).unwrap();
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        Container { name: name.to_owned(), group, child }
    }

    fn target(&self) -> Target {
        let pid = self.child.id() as i32;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
        Target { cgroup_path: self.group.path(), pid, start_ticks: start.parse().unwrap() }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.group.kill().unwrap();
        self.child.wait().unwrap();
        self.group.remove(DEADLINE).unwrap();
    }
}

/// Percent of a processor between the two points of a reading, as Docker's clients reckon.
fn percent(reading: &Reading) -> f64 {
    let (now, before) = (&reading.point, reading.before.as_ref().unwrap());
    let used = (now.cpu.total_ns - before.cpu.total_ns) as f64;
    used / (now.system_ns - before.system_ns) as f64 * f64::from(now.online_cpus) * 100.0
}

fn descriptors() -> usize {
    let all = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().contains("wharf-collector")).count()
}

#[tokio::test]
async fn what_processes_use_is_seen() {
    let hierarchy = Hierarchy::detect().unwrap();
    let burns = Container::new(&hierarchy, "burns", "while :; do :; done");
    let sleeps = Container::new(&hierarchy, "sleeps", "sleep 1000 & sleep 1000 & wait");
    let collector = Collector::new(hierarchy.clone());
    for one in [&burns, &sleeps] {
        collector.set(&one.name, one.target());
    }
    assert!(collector.memory_bytes() > 256 << 20);
    let mut watch = collector.watch(Interval::new(Duration::from_millis(200)).unwrap());
    watch.first(["burns", "sleeps", "nosuch"].into_iter(), 2).await;
    assert!(watch.reading("nosuch").is_none());
    // A machine of two processors that eight share gives what it has: the point is which is which.
    let burning = watch.reading("burns").unwrap();
    assert!(percent(&burning) > 10.0 && percent(&burning) < 110.0, "{burning:?}");
    let sleeping = watch.reading("sleeps").unwrap();
    for reading in [&burning, &sleeping] {
        let memory = reading.counters.memory.as_ref().unwrap();
        assert_eq!(memory.limit, Limit::At(256 << 20));
        assert_eq!(reading.counters.pids.unwrap().limit, Limit::At(100));
        assert!(reading.interfaces.iter().all(|one| &*one.name != "lo"));
    }
    // The watch goes on, and what is used grows.
    let first = burning.point.cpu.total_ns;
    assert!(watch.next().await);
    let begin = Instant::now();
    // On a slow machine it may still have been about to begin.
    while percent(&watch.reading("sleeps").unwrap()) >= 5.0
        || watch.reading("sleeps").unwrap().counters.pids.unwrap().current != 3
    {
        assert!(watch.next().await && begin.elapsed() < DEADLINE);
    }
    assert!(watch.reading("burns").unwrap().point.cpu.total_ns > first);
    // What does not run any more is forgotten, and its files are closed.
    let open = descriptors();
    collector.remove("burns");
    assert!(watch.reading("burns").is_none());
    while descriptors() * 2 > open {
        assert!(watch.next().await && begin.elapsed() < DEADLINE);
    }
    drop(collector);
    assert!(!watch.next().await);
    drop(watch);
    assert_eq!(descriptors(), 0);
}

#[tokio::test]
async fn the_second_watch_is_answered_at_once() {
    let hierarchy = Hierarchy::detect().unwrap();
    let sleeps = Container::new(&hierarchy, "twice", "sleep 1000");
    let collector = Collector::new(hierarchy.clone());
    collector.set("twice", sleeps.target());
    let first = collector.watch(Interval::SECOND);
    drop(first);
    let mut watch = collector.watch(Interval::SECOND);
    watch.first(["twice"].into_iter(), 2).await;
    let reading = watch.reading("twice").unwrap();
    drop(watch);
    let mut again = collector.watch(Interval::SECOND);
    // Nothing to wait for: one poll is enough.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut ready = std::pin::pin!(again.first(["twice"].into_iter(), 2));
    assert!(ready.as_mut().poll(&mut context).is_ready());
    assert!(reading.before.is_some());
}

#[tokio::test]
async fn another_process_begins_anew() {
    let hierarchy = Hierarchy::detect().unwrap();
    let one = Container::new(&hierarchy, "anew", "sleep 1000");
    let collector = Collector::new(hierarchy.clone());
    let target = one.target();
    collector.set("anew", target.clone());
    let mut watch = collector.watch(Interval::SECOND);
    watch.first(["anew"].into_iter(), 2).await;
    let before = watch.reading("anew").unwrap().point.read_ns;
    // The same one, with other limits perhaps: its ring goes on.
    collector.set("anew", target.clone());
    assert_eq!(watch.reading("anew").unwrap().point.read_ns, before);
    collector.set("anew", Target { pid: 1, ..target });
    assert!(watch.reading("anew").is_none());
    watch.first(["anew"].into_iter(), 2).await;
    assert!(watch.reading("anew").unwrap().before.unwrap().read_ns > before);
}
