use super::*;

fn titles(args: &str) -> Vec<&'static str> {
    columns(args).unwrap().0.iter().map(|column| column.title).collect()
}

#[test]
fn columns_of_ps() {
    let full = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    assert_eq!(titles(""), full);
    assert_eq!(titles("-ef"), full);
    assert_eq!(titles("-o pid,comm"), ["PID", "COMMAND"]);
    assert_eq!(titles("-opid -o ppid"), ["PID", "PPID"]);
    assert_eq!(titles("-eo pid,args"), ["PID", "COMMAND"]);
    assert_eq!(titles("aux").len(), 11);
    assert_eq!(titles("-e"), ["PID", "TTY", "TIME", "CMD"]);
    for wrong in ["-o bogus", "--forest", "-z"] {
        assert!(columns(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn our_own_process() {
    let process = Process::read(std::process::id()).unwrap();
    let machine = Machine::read();
    assert_eq!(process.pid, std::process::id());
    assert_eq!(user(&process, &machine), "root");
    assert!(process.age_seconds(&machine) < 3600);
    assert!(Process::read(u32::MAX - 1).is_none());
}

#[test]
fn names_in_parentheses_do_not_confuse() {
    let stat = "7 (a) b (c) S 1 2 3 34817 0 0 0 0 0 0 150 50 0 0 20 5 3 0 100 4096 2 0";
    let process = Process::of_stat(7, stat).unwrap();
    assert_eq!((process.name.as_str(), process.state), ("a) b (c", 'S'));
    assert_eq!((process.ppid, process.ticks, process.threads), (1, 200, 3));
    assert_eq!((process.nice, process.resident_pages), (5, 2));
    assert_eq!(terminal(process.tty), "pts/1");
    assert_eq!(Process::of_stat(7, "7 (x) S 1"), None::<Process>.filter(|_| false));
}

impl PartialEq for Process {
    fn eq(&self, other: &Process) -> bool {
        self.pid == other.pid
    }
}

#[test]
fn times() {
    assert_eq!(cpu_time(366_100), "01:01:01");
    assert_eq!(elapsed(59), "00:59");
    assert_eq!(elapsed(3_661), "01:01:01");
    assert_eq!(elapsed(90_061), "1-01:01:01");
    assert_eq!(month_and_day("2026-11-03"), "Nov03");
    assert_eq!(terminal(0), "?");
}
