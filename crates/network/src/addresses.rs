//! Which addresses of a subnet are free.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::subnet::{Subnet, like, number};

/// The addresses of one subnet.
#[derive(Clone, Debug)]
pub struct Addresses {
    subnet: Subnet,
    /// Addresses that nobody asked for are taken from here.
    range: Subnet,
    taken: BTreeSet<u128>,
    /// Whatever is in the range and below this is taken.
    lowest: u128,
}

impl Addresses {
    /// All are free, but for those that mean all or none of the subnet's.
    pub fn new(subnet: Subnet, range: Option<Subnet>) -> Addresses {
        let range = range.unwrap_or(subnet);
        let mut taken = BTreeSet::new();
        // Of pairs and single addresses every one counts: RFC 3021, RFC 6164.
        if subnet.rest() > 1 {
            taken.insert(number(subnet.first()));
            if !subnet.is_ipv6() {
                taken.insert(number(subnet.last()));
            }
        }
        Addresses { subnet, range, taken, lowest: number(range.first()) }
    }

    /// The subnet.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Takes a certain address; whether it was free.
    pub fn take(&mut self, address: IpAddr) -> bool {
        self.subnet.contains(address) && self.taken.insert(number(address))
    }

    /// Takes the lowest free one of the range.
    pub fn take_any(&mut self) -> Option<IpAddr> {
        let last = number(self.range.last());
        let mut next = self.lowest;
        for taken in self.taken.range(self.lowest..) {
            if *taken != next {
                break;
            }
            next = next.checked_add(1)?;
        }
        if next > last {
            return None;
        }
        self.taken.insert(next);
        self.lowest = next;
        Some(like(self.subnet.first(), next))
    }

    /// Gives one back.
    pub fn give_back(&mut self, address: IpAddr) {
        let number = number(address);
        self.taken.remove(&number);
        if number < self.lowest && self.range.contains(address) {
            self.lowest = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(subnet: &str, range: Option<&str>) -> Addresses {
        Addresses::new(subnet.parse().unwrap(), range.map(|range| range.parse().unwrap()))
    }

    fn all(addresses: &mut Addresses) -> Vec<String> {
        std::iter::from_fn(|| addresses.take_any()).map(|one| one.to_string()).collect()
    }

    #[test]
    fn what_means_all_or_none_is_not_given() {
        assert_eq!(all(&mut addresses("10.0.0.0/30", None)), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(all(&mut addresses("10.0.0.0/31", None)), ["10.0.0.0", "10.0.0.1"]);
        assert_eq!(all(&mut addresses("10.0.0.7/32", None)), ["10.0.0.7"]);
        assert_eq!(all(&mut addresses("fd00::/126", None)), ["fd00::1", "fd00::2", "fd00::3"]);
        assert_eq!(all(&mut addresses("255.255.255.254/31", None)).len(), 2);
        let six = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127";
        assert_eq!(all(&mut addresses(six, None)).len(), 2);
        let mut ranged = addresses("10.0.0.0/24", Some("10.0.0.252/30"));
        assert_eq!(all(&mut ranged), ["10.0.0.252", "10.0.0.253", "10.0.0.254"]);
        assert!(ranged.take("10.0.0.5".parse().unwrap()));
    }

    proptest::proptest! {
        /// Nobody gets what somebody has, and nothing is lost.
        #[test]
        fn everything_is_given_once(steps in proptest::collection::vec((0u8..3, 0u8..16), 0..200)) {
            let mut addresses = addresses("10.0.0.0/28", Some("10.0.0.0/29"));
            let mut held = BTreeSet::new();
            for (step, number) in steps {
                let address: IpAddr = [10, 0, 0, number].into();
                match step {
                    0 => {
                        let free = (1..8).find(|n| !held.contains(&IpAddr::from([10, 0, 0, *n])));
                        let got = addresses.take_any();
                        proptest::prop_assert_eq!(got, free.map(|n| [10, 0, 0, n].into()));
                        held.extend(got);
                    }
                    1 => {
                        let expect = !matches!(number, 0 | 15) && !held.contains(&address);
                        proptest::prop_assert_eq!(addresses.take(address), expect);
                        if expect {
                            held.insert(address);
                        }
                    }
                    _ if held.remove(&address) => addresses.give_back(address),
                    _ => {}
                }
            }
        }
    }
}
