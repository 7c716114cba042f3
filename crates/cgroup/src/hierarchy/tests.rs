use super::*;

fn make(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn finds_one_version_2_mount() {
    let root = tempfile::tempdir().unwrap();
    make(
        root.path(),
        &[
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.swap.max", "max\n"),
            ("net cls/tasks", ""),
        ],
    );
    let text = "22 1 0:5 / /proc rw - proc proc rw\n\
        30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
        31 23 0:27 / /net\\040cls rw - cgroup cgroup rw,net_cls\n";
    let hierarchy = Hierarchy::from_mountinfo(text, root.path()).unwrap();
    assert_eq!(hierarchy.version(), Version::V2);
    assert!(hierarchy.swap_accounting());
    for controller in Controller::ALL {
        assert!(hierarchy.supports(controller), "{controller:?}");
    }
    assert_eq!(hierarchy.mounts(true).count(), 1);
}

#[test]
fn finds_version_1_mounts_and_hybrid() {
    let root = tempfile::tempdir().unwrap();
    make(
        root.path(),
        &[("c/cpu,cpuacct/tasks", ""), ("c/my mem/tasks", ""), ("c/cpuset/tasks", "")],
    );
    make(root.path(), &[("c/unified/cgroup.controllers", "hugetlb\n")]);
    let v1 = "1 0 0:1 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        1 0 0:1 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n\
        2 0 0:2 / /c/my\\040mem rw - cgroup cgroup rw,memory\n\
        3 0 0:3 / /c/cpuset rw - cgroup cgroup rw,cpuset\n\
        4 0 0:4 / /c/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
    let hierarchy = Hierarchy::from_mountinfo(v1, root.path()).unwrap();
    assert_eq!(hierarchy.version(), Version::V1);
    assert!(!hierarchy.swap_accounting());
    assert!(hierarchy.supports(Controller::Cpuacct) && !hierarchy.supports(Controller::Pids));
    assert_eq!((hierarchy.mounts(true).count(), hierarchy.mounts(false).count()), (3, 2));

    let hybrid = format!("{v1}5 0 0:5 / /c/unified rw - cgroup2 cgroup2 rw\n");
    let hierarchy = Hierarchy::from_mountinfo(&hybrid, root.path()).unwrap();
    assert_eq!(hierarchy.version(), Version::Hybrid);
    assert_eq!(hierarchy.mounts(false).count(), 3);
}

#[test]
fn a_machine_without_cgroups_is_an_error() {
    let text = "1 0 0:1 / /proc rw - proc proc rw\nrubbish\n\n - \n1 0 - cgroup2\n";
    let error = Hierarchy::from_mountinfo(text, Path::new("/")).unwrap_err();
    assert!(matches!(error, CgroupError::NotMounted), "{error}");
}

#[test]
fn finds_this_machine() {
    let hierarchy = Hierarchy::detect().unwrap();
    assert!(hierarchy.supports(Controller::Memory) && hierarchy.supports(Controller::Pids));
}

#[test]
fn ancestors_are_named_from_the_root() {
    let names = |path| ancestors(path).collect::<Vec<_>>();
    assert_eq!(names(""), [""]);
    assert_eq!(names("a/b/c"), ["", "a", "a/b", "a/b/c"]);
}

#[test]
fn discards_are_dockers() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), &[("g/cgroup.controllers", "cpu memory pids\n")]);
    let text = "1 0 0:1 / /g rw - cgroup2 cgroup2 rw\n";
    let hierarchy = Hierarchy::from_mountinfo(text, root.path()).unwrap();
    let limits = Limits {
        memory_swappiness: Some(60),
        oom_kill_disable: Some(true),
        blkio_weight: Some(500),
        ..Limits::default()
    };
    let expected = [Discarded::MemorySwappiness, Discarded::OomKillDisable, Discarded::BlkioWeight];
    assert_eq!(hierarchy.discards(&limits), expected);
    assert!(hierarchy.discards(&Limits::default()).is_empty());
}
