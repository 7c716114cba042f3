use super::*;

#[test]
fn tables_are_sorted_so_that_they_can_be_searched() {
    assert!(table::ROWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(ints::ROWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn every_call_with_int_arguments_exists_on_a_64_bit_architecture() {
    for (name, bits) in ints::ROWS {
        assert!(number(Arch::X86_64, name).is_some(), "{name}");
        assert!(bits != 0 && bits < 1 << 6, "{name}");
    }
}

#[test]
fn calls_by_name() {
    let check = |arch, name, expect| assert_eq!(number(arch, name), expect, "{arch:?} {name}");
    check(Arch::X86_64, "read", Some(0));
    check(Arch::X86, "read", Some(3));
    check(Arch::X32, "read", Some(0x4000_0000));
    check(Arch::X32, "execve", Some(0x4000_0208));
    check(Arch::Aarch64, "read", Some(63));
    check(Arch::Aarch64, "open", None);
    check(Arch::Arm, "set_tls", Some(983_045));
    check(Arch::Riscv64, "riscv_flush_icache", Some(259));
    for arch in Arch::ALL {
        assert_eq!(number(arch, "rseq_slice_yield").map(|n| n & !X32_BIT), Some(471));
    }
    check(Arch::X86_64, "no_such_call", None);
    assert!(is_known("socketcall") && !is_known(""));
}

#[test]
fn calls_behind_another() {
    assert_eq!(
        second_door("socket").map(|door| (door.syscall, door.call)),
        Some(("socketcall", 1))
    );
    assert_eq!(second_door("shmctl").map(|door| (door.syscall, door.call)), Some(("ipc", 24)));
    assert_eq!(second_door("read"), None);
    for (name, _) in table::ROWS {
        if let Some(door) = second_door(name) {
            assert!(number(Arch::X86, door.syscall).is_some());
        }
    }
}
