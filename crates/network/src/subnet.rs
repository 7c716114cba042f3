//! Ranges of addresses that have a prefix in common.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range of addresses with a prefix in common; prints as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

/// A text is no subnet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an address with a prefix length")]
pub struct SubnetError;

impl Subnet {
    /// The one with `bits` in common that `address` is in; nothing if an address of that family
    /// has fewer bits.
    pub fn of(address: IpAddr, bits: u8) -> Option<Subnet> {
        let spare = u32::from(width(address).checked_sub(bits)?);
        let number = number(address);
        let first = number.checked_shr(spare).and_then(|n| n.checked_shl(spare)).unwrap_or(0);
        Some(Subnet { address: like(address, first), bits })
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        self.address
    }

    /// Its last address.
    pub fn last(self) -> IpAddr {
        like(self.address, number(self.address) | self.rest())
    }

    /// How many leading bits are the same in all addresses.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it is one of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether the address is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        Subnet::of(address, self.bits) == Some(self)
    }

    /// Whether all addresses of the other one are in it.
    pub fn includes(self, other: Subnet) -> bool {
        other.bits >= self.bits && self.contains(other.address)
    }

    /// Whether some addresses are in both.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.includes(other) || other.includes(self)
    }

    /// The subnet of the same size behind this one.
    pub(crate) fn following(self) -> Option<Subnet> {
        let next = number(self.last()).checked_add(1)?;
        let fits = self.is_ipv6() || next <= u128::from(u32::MAX);
        fits.then(|| Subnet { address: like(self.address, next), bits: self.bits })
    }

    /// Ones in all places that differ within it.
    pub(crate) fn rest(self) -> u128 {
        let spare = u32::from(width(self.address) - self.bits);
        1u128.checked_shl(spare).map_or(u128::MAX, |size| size - 1)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(four.to_bits()),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// The number as an address of the same family as another.
pub(crate) fn like(other: IpAddr, number: u128) -> IpAddr {
    match other {
        IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Takes any address in the subnet; see [`Subnet::first`].
impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Subnet, SubnetError> {
        let (address, bits) = text.split_once('/').ok_or(SubnetError)?;
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|_| digits).ok_or(SubnetError)?;
        let address = address.parse().map_err(|_| SubnetError)?;
        Subnet::of(address, bits).ok_or(SubnetError)
    }
}

impl Serialize for Subnet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Subnet, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_prints() {
        for (text, printed, last) in [
            ("10.1.2.3/16", "10.1.0.0/16", "10.1.255.255"),
            ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255"),
            ("10.0.0.1/32", "10.0.0.1/32", "10.0.0.1"),
            ("fd00::5/64", "fd00::/64", "fd00::ffff:ffff:ffff:ffff"),
            ("::/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(subnet(text).to_string(), printed);
            assert_eq!(subnet(text).last().to_string(), last);
        }
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/+8", "10.0.0/8"] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn compares() {
        let (large, small) = (subnet("10.0.0.0/8"), subnet("10.1.0.0/16"));
        assert!(large.includes(small) && !small.includes(large));
        assert!(large.overlaps(small) && small.overlaps(large));
        assert!(!small.overlaps(subnet("10.2.0.0/16")));
        assert!(!large.overlaps(subnet("::/0")) && !subnet("::/0").contains(small.first()));
        assert_eq!(small.following(), Some(subnet("10.2.0.0/16")));
        assert_eq!(subnet("255.255.0.0/16").following(), None);
        assert_eq!(subnet("ffff::/16").following(), None);
    }
}
