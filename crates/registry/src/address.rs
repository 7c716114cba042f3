//! Networks of addresses.

use std::net::IpAddr;

/// A network: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    address: IpAddr,
    bits: u32,
}

impl AddressRange {
    /// Reads `address/bits`.
    pub fn parse(text: &str) -> Option<AddressRange> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(AddressRange { address, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.bits;
                let (network, address) = (network.to_bits(), address.to_bits());
                network.checked_shr(shift) == address.checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.bits;
                let (network, address) = (network.to_bits(), address.to_bits());
                network.checked_shr(shift) == address.checked_shr(shift)
            }
            _ => false,
        }
    }
}
