//! Which subnet a network gets when nobody chose one.

use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::subnet::Subnet;

/// A large range from which subnets of one size are cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressPool {
    /// The range.
    pub base: Subnet,
    /// Prefix length of the subnets.
    pub size: u8,
}

/// A pool of IPv6 has more subnets than anybody can try; networks are few.
const ATTEMPTS_MAX: usize = 100_000;

/// Docker's pools.
const USUAL: [([u8; 4], u8, u8); 7] = [
    ([172, 17, 0, 0], 16, 16),
    ([172, 18, 0, 0], 16, 16),
    ([172, 19, 0, 0], 16, 16),
    ([172, 20, 0, 0], 14, 16),
    ([172, 24, 0, 0], 14, 16),
    ([172, 28, 0, 0], 14, 16),
    ([192, 168, 0, 0], 16, 20),
];

/// The pools of an engine without others in its configuration: Docker's for IPv4, and for IPv6 a
/// range of unique local addresses (RFC 4193) of this engine's own: it is made of `engine_id`, so
/// it is the same after each start, and most probably nobody else's.
pub fn usual(engine_id: &str) -> Vec<AddressPool> {
    let four = USUAL.iter().map(|(octets, bits, size)| {
        let base = Subnet::of(IpAddr::from(*octets), *bits);
        AddressPool { base: base.expect("the prefix lengths are below 32"), size: *size }
    });
    let digest = Sha256::digest(engine_id.as_bytes());
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    for (octet, random) in octets[1..6].iter_mut().zip(&digest) {
        *octet = *random;
    }
    let base = Subnet::of(Ipv6Addr::from(octets).into(), 48);
    let six = AddressPool { base: base.expect("48 is below 128"), size: 64 };
    four.chain([six]).collect()
}

/// The first subnet of the pools' that overlaps none in `taken`.
pub fn choose(pools: &[AddressPool], ipv6: bool, taken: &[Subnet]) -> Option<Subnet> {
    let mut pools = pools.iter().filter(|pool| pool.base.is_ipv6() == ipv6);
    pools.find_map(|pool| {
        let mut next = Subnet::of(pool.base.first(), pool.size);
        for _ in 0..ATTEMPTS_MAX {
            let candidate = next.filter(|candidate| pool.base.includes(*candidate))?;
            let obstacles = taken.iter().filter(|other| other.overlaps(candidate));
            match obstacles.max_by_key(|other| other.last()) {
                None => return Some(candidate),
                // On behind what is in the way, which may be larger.
                Some(other) if other.includes(candidate) => {
                    next =
                        other.following().and_then(|behind| Subnet::of(behind.first(), pool.size));
                }
                Some(_) => next = candidate.following(),
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ipv6: bool, taken: &[&str], expect: &str) {
        let taken: Vec<Subnet> = taken.iter().map(|text| text.parse().unwrap()).collect();
        let pools = usual("engine");
        let chosen = choose(&pools, ipv6, &taken).map_or(String::new(), |found| found.to_string());
        assert_eq!(chosen, expect);
    }

    #[test]
    fn the_first_free_one_is_chosen() {
        check(false, &[], "172.17.0.0/16");
        check(false, &["172.17.5.0/24"], "172.18.0.0/16");
        check(false, &["172.16.0.0/12"], "192.168.0.0/20");
        check(false, &["172.16.0.0/12", "192.168.0.0/24", "192.168.17.1/32"], "192.168.32.0/20");
        check(false, &["0.0.0.0/0"], "");
        check(false, &["172.16.0.0/12", "192.168.0.0/16"], "");
        let own: Vec<AddressPool> =
            usual("engine").into_iter().filter(|pool| pool.base.is_ipv6()).collect();
        let base = own[0].base;
        assert!(base.to_string().starts_with("fd") && base.bits() == 48, "{base}");
        assert_ne!(usual("other").last().unwrap().base, base);
        check(true, &[], &format!("{}/64", base.first()));
        let first = format!("{}/64", base.first());
        let chosen = choose(&own, true, &[first.parse().unwrap()]).unwrap();
        assert!(base.includes(chosen) && chosen.to_string() != first);
        check(true, &["::/0"], "");
    }

    #[test]
    fn all_of_them_can_be_taken() {
        let (pools, mut taken) = (usual("engine"), Vec::new());
        while let Some(next) = choose(&pools, false, &taken) {
            assert!(!taken.iter().any(|other: &Subnet| other.overlaps(next)));
            taken.push(next);
        }
        assert_eq!(taken.len(), 15 + 16);
    }
}
